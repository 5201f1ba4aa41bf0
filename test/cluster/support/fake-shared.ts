import type { OnceEntry, Sealed, SharedRedis, StreamEntry } from '../../../src/cluster/types.js';
import { PosternError } from '../../../src/errors.js';
import { compareIds } from '../../../src/journal/ids.js';
import { FakeRedis } from './fake-redis.js';

/** What becomes of a command: not done, or done and the answer lost. Both reject. */
export type Fault = 'refused' | 'answer lost' | undefined;

export type Command = Exclude<
  keyof SharedRedis,
  'isReady' | 'aheadMs' | 'onReady' | 'onLost' | 'read' | 'follow' | 'once' | 'close'
>;

/**
 * The connection of one host to a `FakeRedis`, there from the start. A test takes it away and gives
 * it back with `lose` and `restore`, and says by `fault` what fails while it is there.
 */
export class FakeShared implements SharedRedis {
  aheadMs = 0;
  /** Asked before each command. */
  fault: (command: Command) => Fault = () => undefined;
  /** Awaited on each command's way to the server and on its way back. */
  latency: () => Promise<void> = async () => {};
  /** How often each command reached the server. */
  readonly calls = new Map<Command, number>();
  readonly #ready = new Set<() => void>();
  readonly #lost = new Set<() => void>();
  readonly #closing = new AbortController();
  #isReady: boolean;

  constructor(
    readonly redis: FakeRedis = new FakeRedis(),
    readonly host = 'host',
    { isReady = true }: { isReady?: boolean } = {},
  ) {
    this.#isReady = isReady;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** The connection breaks: what is on its way rejects, and readers wait. */
  lose(): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    for (const listener of [...this.#lost]) listener();
  }

  restore(): void {
    if (this.#isReady || this.#closing.signal.aborted) return;
    this.#isReady = true;
    for (const listener of [...this.#ready]) listener();
    this.redis.wake();
  }

  onReady(listener: () => void): () => void {
    this.#ready.add(listener);
    if (this.#isReady) listener();
    return () => this.#ready.delete(listener);
  }

  onLost(listener: () => void): () => void {
    this.#lost.add(listener);
    return () => this.#lost.delete(listener);
  }

  complete(grant: string, order: Sealed, claims: readonly string[], once: boolean) {
    return this.#ask('complete', () => this.redis.complete(grant, order, claims, once));
  }

  publish(order: Sealed, once: boolean): Promise<void> {
    return this.#ask('publish', () => this.redis.append(order, once));
  }

  forward(
    head: string | undefined,
    reports: readonly { readonly id: string; readonly sealed: Sealed }[],
  ): Promise<string | undefined> {
    return this.#ask('forward', () => this.redis.forward(this.host, head, reports));
  }

  head(): Promise<string | undefined> {
    return this.#ask('head', () => this.redis.heads.get(this.host));
  }

  claimed(claims: readonly string[]): Promise<readonly boolean[]> {
    return this.#ask('claimed', () => claims.map((claim) => this.redis.claims.has(claim)));
  }

  addClaims(claims: readonly { readonly claim: string; readonly grant: string }[]): Promise<void> {
    return this.#ask('addClaims', () => this.redis.addClaims(claims));
  }

  beat(text: string): Promise<void> {
    return this.#ask('beat', () => {
      this.redis.hosts.set(this.host, text);
    });
  }

  beats(): Promise<ReadonlyMap<string, string>> {
    return this.#ask('beats', () => new Map(this.redis.hosts));
  }

  forgetHost(host: string): Promise<void> {
    return this.#ask('forgetHost', () => {
      this.redis.hosts.delete(host);
    });
  }

  take(grant: string): Promise<boolean> {
    return this.#ask('take', () => this.redis.take(grant, this.host));
  }

  decline({ streamId }: OnceEntry): Promise<void> {
    return this.#ask('decline', () => this.redis.decline(streamId, this.host));
  }

  finish({ streamId }: OnceEntry): Promise<void> {
    return this.#ask('finish', () => this.redis.finish(streamId));
  }

  async *read(after?: string, signal?: AbortSignal): AsyncGenerator<StreamEntry> {
    if (!this.#isReady) throw away();
    const last = this.redis.journal.at(-1)?.streamId;
    let previous = after;
    while (last !== undefined && !signal?.aborted) {
      const entry = this.redis.next(previous);
      if (entry === undefined || compareIds(entry.streamId, last) > 0) return;
      previous = entry.streamId;
      yield entry;
    }
  }

  async *follow(after: string | undefined, signal: AbortSignal): AsyncGenerator<StreamEntry> {
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    let previous = after;
    while (!ending.aborted) {
      if (previous !== undefined && this.redis.isAhead(previous)) previous = undefined;
      const entry = this.#isReady ? this.redis.next(previous) : undefined;
      if (entry === undefined) {
        await this.redis.change(ending);
      } else {
        previous = entry.streamId;
        yield entry;
      }
    }
  }

  async *once(signal: AbortSignal): AsyncGenerator<OnceEntry> {
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    while (!ending.aborted) {
      const entry = this.#isReady ? this.redis.deliver(this.host) : undefined;
      if (entry === undefined) await this.redis.change(ending, this.redis.takeOverAfterMs);
      else yield entry;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.lose();
    this.#ready.clear();
    this.#lost.clear();
  }

  /** As on a wire: what was sent is done, though the connection may break before the answer. */
  async #ask<T>(command: Command, act: () => T): Promise<T> {
    if (!this.#isReady) throw away();
    let stop = () => {};
    const broken = new Promise<never>((_, reject) => {
      stop = this.onLost(() => reject(away()));
    });
    try {
      return await Promise.race([this.#exchange(command, act), broken]);
    } finally {
      stop();
    }
  }

  async #exchange<T>(command: Command, act: () => T): Promise<T> {
    await this.latency();
    const fault = this.fault(command);
    if (fault === 'refused') throw refused(command);
    this.calls.set(command, (this.calls.get(command) ?? 0) + 1);
    const answer = act();
    await this.latency();
    if (fault === 'answer lost') throw refused(command);
    return answer;
  }
}

function away(): PosternError {
  return new PosternError('POSTERN_E_CLUSTER', 'the shared Redis is out of reach');
}

function refused(command: Command): PosternError {
  return new PosternError('POSTERN_E_CLUSTER', `${command} was not confirmed`);
}
