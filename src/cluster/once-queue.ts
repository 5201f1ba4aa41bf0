import { z } from 'zod';
import type { Clock } from '../clock.js';
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { ANSWER_WITHIN_MS, type Link } from './link.js';
import { Patience } from './patience.js';
import { TAKE_OVER } from './scripts/take-over.js';
import type { OnceEntry } from './types.js';

/** The consumer group; each host is a consumer of it. */
export const GROUP = 'hosts';

/** So many entries are delivered to us at most before the first of them was taken from the iterable. */
const AHEAD = 32;
const BLOCK_MS = 1000;
/** How often to look for entries that nobody finished, and how long they have been so. */
const LOOK_EVERY_MS = 1000;
const UNFINISHED_MS = 3000;

/** What TAKE_OVER gives. */
const takenOver = z.array(z.tuple([z.string(), z.array(z.string()), z.number()]));

export interface OnceQueueOptions {
  /** Used for nothing else, and closed at the end. */
  readonly link: Link;
  readonly key: string;
  readonly host: string;
  /** Ids of entries that are for other hosts. */
  readonly declined: ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Entries of the queue as they are delivered to this host, new ones and those that any host, this one
 * before a restart included, had for over 3 s without finishing them; through outages, until the
 * signal aborts. An entry that is taken long after it was delivered may be with another host by then.
 */
export async function* deliveries(options: OnceQueueOptions): AsyncGenerator<OnceEntry> {
  const { link, clock, log, signal } = options;
  const patience = new Patience(link, log, 'the queue of doors that one host acts on is refused');
  const onAbort = () => link.close();
  signal.addEventListener('abort', onAbort, { once: true });
  let lookAtMs = Number.NEGATIVE_INFINITY;
  try {
    while (!signal.aborted) {
      const look = clock.now() >= lookAtMs;
      if (look) lookAtMs = clock.now() + LOOK_EVERY_MS;
      const ask = () => (look ? unfinished(options) : fresh(options));
      const entries = await patience.trying(ask, undefined, signal);
      const isAll = entries !== undefined && (!look || entries.length < AHEAD);
      if (!isAll) lookAtMs = Number.NEGATIVE_INFINITY;
      yield* entries ?? [];
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    link.close();
  }
}

/** New entries, none after a second; undefined when the group is missing, and is to be made. */
async function fresh({ link, key, host }: OnceQueueOptions): Promise<OnceEntry[] | undefined> {
  const where = ['COUNT', AHEAD, 'BLOCK', BLOCK_MS, 'STREAMS', key, '>'] as const;
  try {
    // Sent late, it delivers to nobody: the entries are taken over after their time.
    const answer = await link.ask(
      'waiting for a door that one host acts on',
      (redis) => redis.xreadgroup('GROUP', GROUP, host, ...where),
      link.deadline(BLOCK_MS + ANSWER_WITHIN_MS),
    );
    const entries = answer?.[0]?.[1] ?? [];
    return entries.map(([streamId, fields]) => ({ streamId, fields: fields ?? [], deliveries: 1 }));
  } catch (error) {
    // UNBLOCKED: the stream went away while we waited, and the group with it.
    if (/ (NOGROUP|UNBLOCKED) /.test(reasonOf(error))) return undefined;
    throw error;
  }
}

/** What was delivered to anybody and not finished; makes the group where it is missing. */
async function unfinished(options: OnceQueueOptions): Promise<OnceEntry[]> {
  const { link, key, host, declined } = options;
  // The script is refused when it runs late, so the clock of Redis must be known as it is.
  await link.measure();
  const answer = await link.ask('taking over doors that one host acts on', (redis, notAfter) =>
    redis.eval(TAKE_OVER, 1, key, notAfter, GROUP, host, UNFINISHED_MS, AHEAD, ...declined),
  );
  return takenOver
    .parse(answer)
    .map(([streamId, fields, delivered]) => ({ streamId, fields, deliveries: delivered }));
}
