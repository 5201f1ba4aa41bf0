import type { Redis } from 'ioredis';
import { reasonOf } from '../errors.js';
import { journalError } from './bounded.js';
import type { Entry } from './seal.js';

/** A knock is refused within a second (T12), and the refusal has to be said too. */
const WRITE_WITHIN_MS = 900;

export interface WriterOptions {
  /** A connection of the role `append`; the writer uses it alone and ends when it is ended. */
  readonly redis: Redis;
  readonly streamKey: string;
  /** The stream holds larger ids than ours: somebody else wrote, so the last id must be learned. */
  onStale(): Promise<void>;
}

/**
 * A script that appends an entry only if something else allows it, and gives nil if not. It gets
 * these keys and arguments, then the stream as the last key, and the entry's id and fields.
 */
export interface Guard {
  readonly script: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** One entry on its way. */
interface Pending {
  readonly type: string;
  readonly entry: Entry;
  readonly guard: Guard | undefined;
  /** The connection it was sent on; 0: not sent on the one there is. */
  connection: number;
  sent: number;
  settle(outcome: boolean | Error): void;
}

/**
 * Appends entries in the order of the calls, each within a second, however often the connection is
 * lost meanwhile. Entries are sent without waiting for each other, so that one fsync of Redis
 * serves many.
 *
 * What was sent when a connection broke is sent again under the same id on the next: Redis refuses
 * an id that is there already, so nothing is ever written twice, and a look under that id tells
 * whether it was ours.
 */
export class Writer {
  readonly #options: WriterOptions;
  /** In call order. */
  readonly #pending = new Set<Pending>();
  #connection = 1;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    // ioredis never settles a command that was in flight when its connection closed, if told not
    // to resend it (`autoResendUnfulfilledCommands`), so the closing itself is what counts.
    options.redis.on('close', () => {
      this.#connection += 1;
    });
    options.redis.on('ready', () => this.#flush());
  }

  /**
   * True once the entry is durable; false when its guard did not let it in. Rejects with
   * POSTERN_E_JOURNAL when Redis refused it, or after a second, and then it is unknown whether it
   * was written: it must not be acted on.
   */
  write(type: string, entry: Entry, guard?: Guard): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { type, entry, guard, connection: 0, sent: 0, settle: () => {} };
      const timer = setTimeout(() => pending.settle(lateError(pending)), WRITE_WITHIN_MS);
      pending.settle = (outcome) => {
        clearTimeout(timer);
        if (!this.#pending.delete(pending)) return;
        if (typeof outcome === 'boolean') resolve(outcome);
        else reject(outcome);
      };
      this.#pending.add(pending);
      if (this.#closed) pending.settle(closedError(pending));
      else this.#flushSoon();
    });
  }

  /** Rejects everything that is on its way, and all that comes later. */
  close(): void {
    this.#closed = true;
    for (const pending of [...this.#pending]) pending.settle(closedError(pending));
  }

  /** What is written in one turn goes out in one packet, so that one fsync serves all of it. */
  #flushSoon(): void {
    const { stream, status } = this.#options.redis;
    if (status !== 'ready') return;
    stream.cork();
    process.nextTick(() => stream.uncork());
    this.#flush();
  }

  #flush(): void {
    if (this.#options.redis.status !== 'ready') return;
    for (const pending of this.#pending) {
      if (pending.connection !== this.#connection) this.#send(pending);
    }
  }

  #send(pending: Pending): void {
    pending.sent += 1;
    this.#ask(pending, this.#command(pending), (reply) => {
      if (reply !== null) pending.settle(true);
      else if (pending.sent > 1) this.#settleByLooking(pending, false);
      else pending.settle(false);
    });
  }

  #command({ entry, guard }: Pending): Promise<unknown> {
    const { redis, streamKey } = this.#options;
    if (guard === undefined) return redis.xadd(streamKey, entry.id, ...entry.fields);
    const keys = [...guard.keys, streamKey];
    const args = [...guard.args, entry.id, ...entry.fields];
    return redis.eval(guard.script, keys.length, ...keys, ...args);
  }

  /** Asks Redis about this entry; an answer of an older connection than the present is void. */
  #ask<T>(pending: Pending, question: Promise<T>, answered: (reply: T) => void): void {
    const connection = this.#connection;
    pending.connection = connection;
    question.then(
      (reply) => {
        if (pending.connection === connection) answered(reply);
      },
      (error) => {
        if (pending.connection !== connection) return;
        if (isReply(error)) this.#refused(pending, reasonOf(error));
        else pending.connection = 0; // not an answer: to be sent again on the next connection
      },
    );
  }

  #refused(pending: Pending, reason: string): void {
    const refusal = journalError(`${pending.type} was not appended: Redis says: ${reason}`);
    const stale = reason.includes('equal or smaller than the target stream top item');
    if (stale && pending.sent > 1) {
      this.#settleByLooking(pending, refusal);
      return;
    }
    if (!stale) pending.settle(refusal);
    // Refused only then, so that whoever tries again right away gets an id that is large enough.
    else this.#options.onStale().finally(() => pending.settle(refusal));
  }

  /** After a repeated sending: did the first one arrive? */
  #settleByLooking(pending: Pending, otherwise: false | Error): void {
    const { id, fields } = pending.entry;
    const look = this.#options.redis.xrange(this.#options.streamKey, id, id);
    this.#ask(pending, look, ([found]) => {
      pending.settle(found?.[1].join('\0') === fields.join('\0') ? true : otherwise);
    });
  }
}

function closedError({ type, sent }: Pending): Error {
  const outcome = sent === 0 ? 'was not appended' : 'was not confirmed';
  return journalError(`${type} ${outcome}: the journal is closed`);
}

function lateError({ type, sent }: Pending): Error {
  return journalError(
    sent === 0
      ? `${type} was not appended: Redis was out of reach for ${WRITE_WITHIN_MS} ms`
      : `${type} was not confirmed within ${WRITE_WITHIN_MS} ms: it is unknown whether it was written`,
  );
}

/** An answer of the server's own, told from what ioredis says about a connection. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}
