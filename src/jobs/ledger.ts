/**
 * What grants write into the journal. Two kinds: what must be durable before anything may happen,
 * and what has happened and must become durable as soon as it can. A close never waits for Redis
 * (DESIGN 7b), so the second kind is kept here until Redis takes it.
 */
import { PosternError, reasonOf } from '../errors.js';
import type { EventBody, JournalEvent } from '../journal/events.js';
import type { Journal, SentEvent } from '../journal/types.js';
import type { Log } from '../log/types.js';

/** See `Journal.accept`. */
export interface Acceptance {
  readonly grant: string;
  /** Wall clock ms. */
  readonly untilMs: number;
  readonly claim?: string | undefined;
}

export interface Ledger {
  /**
   * Makes the event durable, behind everything noted before. Rejects with POSTERN_E_JOURNAL; it is
   * then unknown whether it was written, so nothing may be done on it.
   */
  must(body: EventBody): Promise<JournalEvent>;
  /**
   * Like `must`, but does not wait: what comes next can be on its way meanwhile, as long as nothing
   * is done before `durable`. Undefined while older events have to be written first.
   */
  send(body: EventBody): SentEvent | undefined;
  /** Like `must`, with the one-time claim in the same act; undefined when it was claimed before. */
  claim(claim: string, body: EventBody): Promise<JournalEvent | undefined>;
  /** Like `must`, for a grant that the cluster gave; undefined when it was accepted before. */
  accept(acceptance: Acceptance, body: EventBody): Promise<JournalEvent | undefined>;
  /**
   * Writes what has happened: now, or when `settle` finds Redis back. May be written twice. Resolves
   * once it is durable; never rejects.
   */
  note(body: EventBody): Promise<void>;
  /** Writes what is still to be written; whether all of it is durable now. */
  settle(): Promise<boolean>;
  /** From here on nothing is written any more. */
  close(): void;
}

/** Whoever knocks while older events are owed is told after this, milliseconds. */
const SETTLE_WITHIN_MS = 900;

/** An event that the journal does not hold yet. */
interface Owed {
  readonly body: EventBody;
  readonly number: number;
  written(): void;
}

export function createLedger(journal: Journal, log: Log): Ledger {
  /** In the order they were noted. */
  const owed: Owed[] = [];
  const underway = new Set<Promise<void>>();
  let noted = 0;
  let settling: Promise<boolean> | undefined;
  let closed = false;

  async function write(event: Owed): Promise<void> {
    try {
      await journal.append(event.body);
      event.written();
    } catch (error) {
      if (closed) return;
      log.warn({ event: event.body.type, reason: reasonOf(error) }, 'an event is written later');
      owe(event);
    }
  }

  /** One that failed late may have been noted before one that is owed already. */
  function owe(event: Owed): void {
    const later = owed.findIndex(({ number }) => number > event.number);
    owed.splice(later === -1 ? owed.length : later, 0, event);
  }

  async function settleOwed(): Promise<boolean> {
    await Promise.all(underway);
    for (let next = owed[0]; next !== undefined && !closed; next = owed[0]) {
      try {
        await journal.append(next.body);
      } catch {
        return false; // Said when it failed first; asked again by the reconciler.
      }
      owed.shift();
      next.written();
    }
    return true;
  }

  function retry(): Promise<boolean> {
    settling ??= settleOwed().finally(() => {
      settling = undefined;
    });
    return settling;
  }

  /** What is owed goes first: the journal must not tell of an effect before its cause. */
  async function inOrder<T>(write: () => Promise<T>): Promise<T> {
    if (owed.length > 0 && !(await soon(retry()))) {
      throw new PosternError('POSTERN_E_JOURNAL', 'the journal is out of reach');
    }
    return write();
  }

  return {
    must: (body) => inOrder(() => journal.append(body)),
    send(body) {
      if (owed.length > 0) return undefined;
      const sent = journal.send(body);
      sent.durable.catch(() => {}); // Whoever awaits it hears of it.
      return sent;
    },
    claim: (claim, body) => inOrder(() => journal.claim(claim, body)),
    accept: ({ grant, untilMs, claim }, body) =>
      inOrder(() => journal.accept(grant, untilMs, body, claim)),
    note(body) {
      return new Promise((resolve) => {
        if (closed) return;
        noted += 1;
        const event = { body, number: noted, written: resolve };
        if (owed.length > 0) {
          owe(event);
          return;
        }
        const writing = write(event).finally(() => underway.delete(writing));
        underway.add(writing);
      });
    },
    async settle() {
      await Promise.all(underway);
      return retry();
    },
    close() {
      closed = true;
    },
  };
}

/** Its answer, or false when there is none in time. */
async function soon(settling: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), SETTLE_WITHIN_MS);
  });
  try {
    return await Promise.race([settling, late]);
  } finally {
    clearTimeout(timer);
  }
}
