import { type Clock, systemClock } from '../../src/clock.js';
import type { EventBody, JournalEvent } from '../../src/journal/events.js';
import { compareIds, IdSource } from '../../src/journal/ids.js';
import type { ClusterClaim, Journal, ReadOptions, SentEvent } from '../../src/journal/types.js';

/** A grant is known as accepted for so long after its time is over. */
const KNOWN_AFTER_MS = 86_400_000;

/** A journal in memory for the tests of other rooms: same order, ids and claims, no Redis. */
export class MemoryJournal implements Journal {
  readonly events: JournalEvent[] = [];
  readonly rejected = 0;
  /** Set it to make every write reject with it. */
  failure: Error | undefined;
  readonly #claims = new Set<string>();
  readonly #accepted = new Map<string, number>();
  readonly #clusterClaims = new Map<string, string>();
  readonly #ids = new IdSource();
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly host = 'host',
    readonly clock: Clock = systemClock,
    readonly length = 10_000,
  ) {}

  send(body: EventBody): SentEvent {
    if (this.failure === undefined) {
      return { event: this.#add(this.#eventOf(body)), durable: Promise.resolve() };
    }
    return { event: this.#eventOf(body), durable: Promise.reject(this.failure) };
  }

  async append(body: EventBody): Promise<JournalEvent> {
    const { event, durable } = this.send(body);
    await durable;
    return event;
  }

  async claim(claim: string, body: EventBody): Promise<JournalEvent | undefined> {
    if (this.failure) throw this.failure;
    const event = this.#eventOf(body);
    if (this.#claims.has(claim)) return undefined;
    this.#claims.add(claim);
    return this.#add(event);
  }

  async claimed(claims: readonly string[]): Promise<readonly boolean[]> {
    return claims.map((claim) => this.#claims.has(claim));
  }

  async accept(
    grant: string,
    untilMs: number,
    body: EventBody,
    claim?: string,
  ): Promise<JournalEvent | undefined> {
    if (this.failure) throw this.failure;
    const event = this.#eventOf(body);
    if (this.#accepted.has(grant)) return undefined;
    const forgetBeforeMs = Math.floor(this.clock.wall()) - KNOWN_AFTER_MS;
    for (const [known, until] of this.#accepted) {
      if (until < forgetBeforeMs) this.#accepted.delete(known);
    }
    this.#accepted.set(grant, Math.ceil(untilMs));
    if (claim !== undefined) this.#claims.add(claim);
    return this.#add(event);
  }

  async remember(claims: readonly ClusterClaim[]): Promise<void> {
    if (this.failure) throw this.failure;
    for (const { claim, grant } of claims) {
      if (!this.#clusterClaims.has(claim)) this.#clusterClaims.set(claim, grant);
    }
  }

  async *rememberedClaims(): AsyncGenerator<ClusterClaim> {
    for (const [claim, grant] of [...this.#clusterClaims]) yield { claim, grant };
  }

  async knows(claims: readonly string[]): Promise<readonly boolean[]> {
    return claims.map((claim) => this.#clusterClaims.has(claim));
  }

  async *read({ after = '0-0', signal }: ReadOptions = {}): AsyncGenerator<JournalEvent> {
    for (const event of this.events.filter(({ id }) => compareIds(id, after) > 0)) {
      if (signal?.aborted) return;
      yield event;
    }
  }

  async *follow({ after, signal }: ReadOptions & { readonly signal: AbortSignal }) {
    let last = after ?? '0-0';
    while (!signal.aborted) {
      for await (const event of this.read({ after: last, signal })) {
        yield event;
        last = event.id;
      }
      await this.#next(last, signal);
    }
  }

  async trim(keepFrom: string | undefined): Promise<void> {
    const excess = Math.max(0, this.events.length - this.length);
    const old = this.events.filter(
      ({ id }) => keepFrom === undefined || compareIds(id, keepFrom) < 0,
    );
    this.events.splice(0, Math.min(excess, old.length));
  }

  /** Takes an id even for a claim that is lost, as the real one does. */
  #eventOf(body: EventBody): JournalEvent {
    const atMs = Math.floor(this.clock.wall());
    return { ...body, id: this.#ids.next(atMs), host: this.host, atMs };
  }

  #add(event: JournalEvent): JournalEvent {
    this.events.push(event);
    for (const wake of this.#waiting) wake();
    return event;
  }

  async #next(after: string, signal: AbortSignal): Promise<void> {
    const newest = this.events.at(-1);
    if (signal.aborted || (newest && compareIds(newest.id, after) > 0)) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
