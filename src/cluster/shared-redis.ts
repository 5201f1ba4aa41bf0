import type { Redis } from 'ioredis';
import { type Clock, systemClock } from '../clock.js';
import type { Log } from '../log/types.js';
import type { RedisTarget } from '../redis/connect.js';
import { Confirmations } from './confirmations.js';
import { followStream, readStream } from './journal-reader.js';
import { clusterError, Link, type LinkOptions } from './link.js';
import { deliveries, GROUP } from './once-queue.js';
import { ADD_CLAIMS, BEAT, DECLINE, FINISH, FORGET } from './scripts/changes.js';
import { COMPLETE } from './scripts/complete.js';
import { FORWARD } from './scripts/forward.js';
import { PUBLISH } from './scripts/publish.js';
import { TAKE } from './scripts/take.js';
import type { OnceEntry, Sealed, SharedRedis, StreamEntry } from './types.js';

/** Who acts on a grant is remembered for a day: none is fresh for longer. */
const TAKEN_FOR_MS = 24 * 60 * 60 * 1000;
/** A server that hangs is noticed within this and the time for an answer. */
const PROBE_EVERY_MS = 1000;
/** Reports that one script appends at most: other hosts' commands wait behind it. */
const REPORTS = 100;
const CLAIMS = 500;
/** Entries that are for other hosts: each is gone within minutes. */
const DECLINED_KEPT = 1000;

export interface SharedRedisOptions {
  readonly target: RedisTarget;
  /** The cluster's name; every key begins with `postern:NAME:`. */
  readonly cluster: string;
  /** This host's name. */
  readonly host: string;
  /** About how many entries the cluster journal keeps, and the queue likewise. */
  readonly journalLength: number;
  /** So many replicas must confirm what a failover must not undo; 0: none is asked. */
  readonly redisWait: number;
  readonly log: Log;
  readonly clock?: Clock;
}

/**
 * The shared Redis of a cluster. Returns at once and connects by itself, again and again.
 *
 * Throws POSTERN_E_REDIS when the URL is none.
 */
export function openSharedRedis(options: SharedRedisOptions): SharedRedis {
  return new RedisOfCluster(options);
}

class RedisOfCluster implements SharedRedis {
  readonly #options: SharedRedisOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #link: Link;
  readonly #confirming: Link;
  readonly #confirmations: Confirmations;
  readonly #closing = new AbortController();
  readonly #declined = new Set<string>();
  readonly #onReady = new Set<() => void>();
  readonly #onLost = new Set<() => void>();
  #wasReady = false;

  constructor(options: SharedRedisOptions) {
    const { redisWait } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = sharedLog(options.log);
    const watched = { probeEveryMs: PROBE_EVERY_MS, onChange: () => this.#changed() };
    this.#link = this.#open({ ...watched, log: this.#log });
    // WAIT holds up whatever comes behind it on its connection.
    this.#confirming = redisWait > 0 ? this.#open(watched) : this.#link;
    this.#confirmations = new Confirmations({ link: this.#confirming, replicas: redisWait });
  }

  get isReady(): boolean {
    return this.#link.isReady && this.#confirming.isReady;
  }

  get aheadMs(): number {
    return this.#link.aheadMs;
  }

  onReady(listener: () => void): () => void {
    this.#onReady.add(listener);
    if (this.isReady) listener();
    return () => this.#onReady.delete(listener);
  }

  onLost(listener: () => void): () => void {
    this.#onLost.add(listener);
    return () => this.#onLost.delete(listener);
  }

  async complete(
    grant: string,
    order: Sealed,
    claims: readonly string[],
    once: boolean,
    untilMs?: number,
  ): Promise<'won' | 'spent'> {
    const { journalLength } = this.#options;
    const keys = [this.#key('claims'), this.#key('journal'), this.#key('once')];
    const head = [grant, journalLength, once ? 1 : 0, claims.length];
    const answer = await this.#confirmations.change({
      what: 'a completion',
      send: scripted(COMPLETE, keys, [...head, ...claims, ...order]),
      untilMs,
      isChanged: (outcome) => outcome === 'won',
    });
    if (answer === 'won' || answer === 'spent') return answer;
    throw clusterError('a completion got an answer from Redis that is none');
  }

  async publish(order: Sealed, once: boolean, confirmedByMs?: number): Promise<void> {
    const keys = [this.#key('journal'), this.#key('once')];
    const args = [this.#options.journalLength, once ? 1 : 0, ...order];
    if (confirmedByMs === undefined)
      return void (await this.#change('an order', PUBLISH, keys, args));
    const send = scripted(PUBLISH, keys, args);
    await this.#confirmations.change({ what: 'an order', send, untilMs: confirmedByMs });
  }

  async forward(
    head: string | undefined,
    reports: readonly { readonly id: string; readonly sealed: Sealed }[],
  ): Promise<string | undefined> {
    let known = head;
    for (let at = 0; at < reports.length; at += REPORTS) {
      const some = reports.slice(at, at + REPORTS);
      known = await this.#forwardSome(known, some);
      if (known !== some.at(-1)?.id) return known;
    }
    return reports.length === 0 ? this.head() : known;
  }

  async head(): Promise<string | undefined> {
    const { host } = this.#options;
    const head = await this.#link.ask('reading the last report', (redis) =>
      redis.hget(this.#key('heads'), host),
    );
    return head ?? undefined;
  }

  async claimed(claims: readonly string[]): Promise<readonly boolean[]> {
    if (claims.length === 0) return [];
    const grants = await this.#link.ask('reading claims', (redis) =>
      redis.hmget(this.#key('claims'), ...claims),
    );
    return claims.map((_, index) => typeof grants[index] === 'string');
  }

  async addClaims(
    claims: readonly { readonly claim: string; readonly grant: string }[],
  ): Promise<void> {
    for (let at = 0; at < claims.length; at += CLAIMS) {
      const args = claims.slice(at, at + CLAIMS).flatMap(({ claim, grant }) => [claim, grant]);
      await this.#change('a list of claims', ADD_CLAIMS, [this.#key('claims')], args);
    }
  }

  async beat(text: string): Promise<void> {
    const { host } = this.#options;
    await this.#change('a sign of life', BEAT, [this.#key('hosts')], [host, text]);
  }

  async beats(): Promise<ReadonlyMap<string, string>> {
    const beats = await this.#link.ask('reading the signs of life', (redis) =>
      redis.hgetall(this.#key('hosts')),
    );
    return new Map(Object.entries(beats));
  }

  async forgetHost(host: string): Promise<void> {
    // Its head stays: should it come back, it sends nothing twice.
    await this.#change(`forgetting ${host}`, FORGET, [this.#key('hosts')], [host]);
  }

  read(after?: string, signal?: AbortSignal): AsyncIterable<StreamEntry> {
    return readStream(this.#link, this.#key('journal'), after, this.#ending(signal));
  }

  async *follow(after: string | undefined, signal: AbortSignal): AsyncGenerator<StreamEntry> {
    const ending = this.#ending(signal);
    const link = this.#open();
    yield* followStream(link, this.#key('journal'), after, { signal: ending, log: this.#log });
  }

  async *once(signal: AbortSignal): AsyncGenerator<OnceEntry> {
    yield* deliveries({
      link: this.#open(),
      key: this.#key('once'),
      host: this.#options.host,
      declined: this.#declined,
      clock: this.#clock,
      log: this.#log,
      signal: this.#ending(signal),
    });
  }

  async take(grant: string): Promise<boolean> {
    const args = [this.#options.host, TAKEN_FOR_MS];
    const answer = await this.#confirmations.change({
      what: 'taking a grant',
      send: scripted(TAKE, [this.#key(`taken:${grant}`)], args),
      isChanged: (isOurs) => isOurs === 1,
    });
    return answer === 1;
  }

  async decline({ streamId }: OnceEntry): Promise<void> {
    this.#declined.add(streamId);
    const [oldest] = this.#declined;
    if (this.#declined.size > DECLINED_KEPT && oldest !== undefined) this.#declined.delete(oldest);
    const args = [GROUP, this.#options.host, streamId];
    await this.#change('declining an entry', DECLINE, [this.#key('once')], args);
  }

  async finish(entry: OnceEntry): Promise<void> {
    const args = [GROUP, entry.streamId];
    await this.#change('finishing an entry', FINISH, [this.#key('once')], args);
  }

  async close(): Promise<void> {
    this.#onReady.clear();
    this.#onLost.clear();
    this.#closing.abort();
    this.#confirmations.close();
    this.#confirming.close();
    this.#link.close();
  }

  async #forwardSome(
    head: string | undefined,
    reports: readonly { readonly id: string; readonly sealed: Sealed }[],
  ): Promise<string | undefined> {
    const { host, journalLength } = this.#options;
    const args = reports.flatMap(({ id, sealed }) => [id, String(sealed.length), ...sealed]);
    const keys = [this.#key('heads'), this.#key('journal')];
    const answer = await this.#change('a list of reports', FORWARD, keys, [
      host,
      head ?? '',
      journalLength,
      ...args,
    ]);
    if (typeof answer !== 'string') throw clusterError('reports got an answer that is none');
    return answer === '' ? undefined : answer;
  }

  /** Runs a script that changes something; each refuses itself when it comes late. */
  #change(
    what: string,
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#link.ask(what, scripted(script, keys, args));
  }

  /** One connection tells that Redis is lost; the others would only say it again. */
  #open(options: Partial<LinkOptions> = {}): Link {
    const { target, clock } = this.#options;
    return new Link({ target, clock, log: quietLog(this.#log), ...options });
  }

  #changed(): void {
    if (this.isReady === this.#wasReady) return;
    this.#wasReady = this.isReady;
    for (const listener of this.isReady ? this.#onReady : this.#onLost) listener();
  }

  #key(name: string): string {
    return `postern:${this.#options.cluster}:${name}`;
  }

  #ending(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }
}

/** Sends a script that refuses itself when it comes late. */
function scripted(
  script: string,
  keys: readonly string[],
  args: readonly (string | number)[],
): (redis: Redis, notAfterMs: number) => Promise<unknown> {
  return (redis, notAfterMs) => redis.eval(script, keys.length, ...keys, notAfterMs, ...args);
}

/** Every host has a Redis of its own too, and an operator must know which one is meant. */
function sharedLog(log: Log): Log {
  const tell =
    (level: keyof Log) =>
    (fields: object, message: string): void =>
      log[level]({ ...fields, redis: 'shared' }, message);
  return { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') };
}

function quietLog(log: Log): Log {
  return { ...log, info: log.debug, warn: log.debug };
}
