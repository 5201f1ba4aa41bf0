import { setMaxListeners } from 'node:events';
import type { Redis } from 'ioredis';
import { type Clock, systemClock } from '../clock.js';
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { connect, hangUp, type RedisTarget } from '../redis/connect.js';
import { answerWithin, untilAborted } from './bounded.js';
import { ClusterClaims } from './cluster-claims.js';
import type { EventBody, JournalEvent } from './events.js';
import { IdSource, successor } from './ids.js';
import type { JournalKey } from './key.js';
import { Rejections } from './rejections.js';
import { ACCEPT } from './scripts/accept.js';
import { CLAIM } from './scripts/claim.js';
import { type Entry, seal, unseal } from './seal.js';
import type { ClusterClaim, Journal, ReadOptions, SentEvent } from './types.js';
import { type Guard, Writer } from './writer.js';

const PAGE = 500;
const ANSWER_WITHIN_MS = 5000;
const BLOCK_MS = 5000;
/** A grant is known as accepted for so long after its time is over. */
const KNOWN_AFTER_MS = 86_400_000;

export interface RedisJournalOptions {
  readonly target: RedisTarget;
  /** This host's name; stands in every event. */
  readonly host: string;
  readonly key: JournalKey;
  /** How many events `trim` keeps (`journal_length`). */
  readonly length: number;
  readonly log: Log;
  readonly clock?: Clock;
  /** Of the Redis keys; `postern` unless a test shares a server. */
  readonly prefix?: string;
}

export interface RedisJournal extends Journal {
  /** Ends its connections, its readers and followers. What is on its way rejects. */
  close(): Promise<void>;
}

/**
 * Opens the journal: learns the last id, so that ids grow even if the clock went back. Rejects with
 * POSTERN_E_JOURNAL when Redis does not answer within 5 s.
 */
export async function openRedisJournal(options: RedisJournalOptions): Promise<RedisJournal> {
  const journal = new StreamJournal(options);
  try {
    await journal.learnLastId();
    return journal;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

class StreamJournal implements RedisJournal {
  readonly #options: RedisJournalOptions;
  readonly #clock: Clock;
  readonly #streamKey: string;
  readonly #claimsKey: string;
  readonly #acceptedKey: string;
  readonly #clusterClaims: ClusterClaims;
  readonly #appender: Redis;
  readonly #reader: Redis;
  readonly #writer: Writer;
  readonly #ids = new IdSource();
  readonly #rejections: Rejections;
  readonly #closing = new AbortController();

  constructor(options: RedisJournalOptions) {
    const { target, log, prefix = 'postern' } = options;
    // Each question that is under way listens to it.
    setMaxListeners(0, this.#closing.signal);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#streamKey = `${prefix}:journal`;
    this.#claimsKey = `${prefix}:claims`;
    this.#acceptedKey = `${prefix}:accepted`;
    this.#rejections = new Rejections(log);
    this.#appender = connect({ target, role: 'append', log });
    this.#reader = connect({ target, role: 'normal', log });
    this.#writer = new Writer({
      redis: this.#appender,
      streamKey: this.#streamKey,
      onStale: () => this.#relearn(),
    });
    const ask = <T>(what: string, question: Promise<T>) => this.#answer(what, question);
    this.#clusterClaims = new ClusterClaims(this.#reader, `${prefix}:cluster-claims`, ask);
  }

  get rejected(): number {
    return this.#rejections.total;
  }

  send(body: EventBody): SentEvent {
    const event = this.#eventOf(body);
    const written = this.#writer.write(event.type, seal(this.#options.key, event));
    return { event, durable: written.then(() => {}) };
  }

  async append(body: EventBody): Promise<JournalEvent> {
    const { event, durable } = this.send(body);
    await durable;
    return event;
  }

  claim(claim: string, body: EventBody): Promise<JournalEvent | undefined> {
    return this.#appendIf({ script: CLAIM, keys: [this.#claimsKey], args: [claim] }, body);
  }

  accept(
    grant: string,
    untilMs: number,
    body: EventBody,
    claim = '',
  ): Promise<JournalEvent | undefined> {
    const forgetBeforeMs = Math.floor(this.#clock.wall()) - KNOWN_AFTER_MS;
    const args = [grant, String(Math.ceil(untilMs)), String(forgetBeforeMs), claim];
    const keys = [this.#acceptedKey, this.#claimsKey];
    return this.#appendIf({ script: ACCEPT, keys, args }, body);
  }

  remember(claims: readonly ClusterClaim[]): Promise<void> {
    return this.#clusterClaims.remember(claims);
  }

  rememberedClaims(): AsyncIterable<ClusterClaim> {
    return this.#clusterClaims.all();
  }

  knows(claims: readonly string[]): Promise<readonly boolean[]> {
    return this.#clusterClaims.knows(claims);
  }

  async claimed(claims: readonly string[]): Promise<readonly boolean[]> {
    if (claims.length === 0) return [];
    const question = this.#reader.smismember(this.#claimsKey, ...claims);
    const answer = await this.#answer('tell the claims', question);
    return claims.map((_, index) => answer?.[index] === 1);
  }

  async *read({ after, signal }: ReadOptions = {}): AsyncGenerator<JournalEvent> {
    const ending = this.#ending(signal);
    let from = after === undefined ? '-' : `(${after}`;
    while (!ending.aborted) {
      const entries = await this.#page(from, '+', PAGE, ending);
      yield* this.#taken(entries, ending);
      const last = entries.at(-1);
      if (last === undefined || entries.length < PAGE) return;
      from = `(${last.id}`;
    }
  }

  async *follow({ after, signal }: ReadOptions & { readonly signal: AbortSignal }) {
    const ending = this.#ending(signal);
    const { target, log } = this.#options;
    const redis = connect({ target, role: 'blocking', log });
    const aborted = untilAborted(ending);
    let last = after ?? '0-0';
    try {
      while (!ending.aborted) {
        const question = this.#nextEntries(redis, last);
        // Hanging up rejects it later, when nobody is waiting any more.
        question.catch(() => undefined);
        const entries = (await Promise.race([question, aborted.promise])) ?? [];
        yield* this.#taken(entries, ending);
        last = entries.at(-1)?.id ?? last;
      }
    } finally {
      aborted.dispose();
      hangUp(redis);
    }
  }

  async trim(keepFrom: string | undefined): Promise<void> {
    const what = 'be trimmed';
    const length = await this.#answer(what, this.#reader.xlen(this.#streamKey));
    let excess = (length ?? 0) - this.#options.length;
    const end = keepFrom === undefined ? '+' : `(${keepFrom}`;
    while (excess > 0) {
      const wanted = Math.min(excess, PAGE);
      const old = await this.#page('-', end, wanted, this.#closing.signal);
      const last = old.at(-1);
      if (last === undefined) return;
      const first = successor(last.id);
      await this.#answer(what, this.#reader.xtrim(this.#streamKey, 'MINID', '=', first));
      excess = old.length < wanted ? 0 : excess - old.length;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#writer.close();
    hangUp(this.#appender);
    hangUp(this.#reader);
  }

  async learnLastId(): Promise<void> {
    // XINFO knows the last id even after the event that had it was cut off; it fails on a stream
    // that is not there.
    const exists = await this.#answer('be opened', this.#reader.exists(this.#streamKey));
    if (exists !== 1) return;
    const question = this.#reader.xinfo('STREAM', this.#streamKey);
    const answer: unknown = await this.#answer('be opened', question);
    const fields = Array.isArray(answer) ? answer : [];
    const id: unknown = fields[fields.indexOf('last-generated-id') + 1];
    if (typeof id === 'string') this.#ids.learn(id);
  }

  async #relearn(): Promise<void> {
    const { log } = this.#options;
    log.error({}, 'somebody else writes to the journal: is a second postern using it?');
    try {
      await this.learnLastId();
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'the last event cannot be found');
    }
  }

  async #appendIf(guard: Guard, body: EventBody): Promise<JournalEvent | undefined> {
    const event = this.#eventOf(body);
    const done = await this.#writer.write(event.type, seal(this.#options.key, event), guard);
    return done ? event : undefined;
  }

  #eventOf(body: EventBody): JournalEvent {
    const atMs = Math.floor(this.#clock.wall());
    return { ...body, id: this.#ids.next(atMs), host: this.#options.host, atMs };
  }

  *#taken(entries: readonly Entry[], ending: AbortSignal): Generator<JournalEvent> {
    for (const entry of entries) {
      if (ending.aborted) return;
      const event = unseal(this.#options.key, entry);
      if (typeof event === 'string') this.#rejections.add(event, entry.id);
      else yield event;
    }
  }

  async #page(from: string, to: string, count: number, ending: AbortSignal): Promise<Entry[]> {
    const question = this.#reader.xrange(this.#streamKey, from, to, 'COUNT', count);
    return ((await this.#answer('be read', question, ending)) ?? []).map(toEntry);
  }

  async #nextEntries(redis: Redis, after: string): Promise<Entry[]> {
    const where = ['COUNT', PAGE, 'BLOCK', BLOCK_MS, 'STREAMS', this.#streamKey, after] as const;
    const answer = await redis.xread(...where);
    return (answer?.[0]?.[1] ?? []).map(toEntry);
  }

  #answer<T>(what: string, question: Promise<T>, ending = this.#closing.signal) {
    return answerWithin(what, question, ANSWER_WITHIN_MS, ending);
  }

  #ending(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }
}

function toEntry([id, fields]: [id: string, fields: string[]]): Entry {
  return { id, fields };
}
