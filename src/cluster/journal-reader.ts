import type { Redis } from 'ioredis';
import type { Log } from '../log/types.js';
import { ANSWER_WITHIN_MS, type Link } from './link.js';
import { Patience } from './patience.js';
import type { StreamEntry } from './types.js';

const PAGE = 500;
/** Short, so that a stream that was emptied or replaced is noticed soon. */
const BLOCK_MS = 1000;

/** An entry as Redis gives it: its id, then field names and values in turn. */
type RawEntry = readonly [id: string, fields: readonly string[]];

/**
 * All entries of a stream after that one, a page at a time. An entry that is not there any more was
 * cut off, or the stream is another than it was (FLUSHALL, a failover that lost its tail): either
 * way it goes on from the oldest. So entries may be seen again, and none is missed.
 *
 * Rejects with POSTERN_E_CLUSTER when Redis does not answer a page in time.
 */
export async function* readStream(
  link: Link,
  key: string,
  after: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<StreamEntry> {
  let last = after;
  while (!signal.aborted) {
    const page = await pageAfter(link, key, last).catch((error: unknown) => {
      if (signal.aborted) return [];
      throw error;
    });
    if (page === undefined) last = undefined;
    else {
      yield* taken(page, signal);
      last = page.at(-1)?.[0] ?? last;
      if (page.length < PAGE) return;
    }
  }
}

/**
 * Like `readStream`, then each entry as it is appended, through outages, until the signal aborts.
 * The link is used for nothing else, and closed at the end.
 */
export async function* followStream(
  link: Link,
  key: string,
  after: string | undefined,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log },
): AsyncGenerator<StreamEntry> {
  const patience = new Patience(link, log, 'the cluster journal cannot be followed');
  const onAbort = () => link.close();
  signal.addEventListener('abort', onAbort, { once: true });
  let last = after;
  try {
    while (!signal.aborted) {
      const page = await patience.trying(() => awaitedPage(link, key, last), [], signal);
      if (page === undefined) last = undefined;
      else {
        yield* taken(page, signal);
        last = page.at(-1)?.[0] ?? last;
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    link.close();
  }
}

/** The next entries; undefined when the one that they are to follow is not there any more. */
function pageAfter(
  link: Link,
  key: string,
  last: string | undefined,
): Promise<readonly RawEntry[] | undefined> {
  return link.ask('reading the cluster journal', (redis) =>
    pageOf(redis, key, last, () => redis.xread('COUNT', PAGE, 'STREAMS', key, last ?? '0-0')),
  );
}

/** Like `pageAfter`, but waits a second for the first of them. */
function awaitedPage(
  link: Link,
  key: string,
  last: string | undefined,
): Promise<readonly RawEntry[] | undefined> {
  const where = ['BLOCK', BLOCK_MS, 'STREAMS', key, last ?? '0-0'] as const;
  return link.ask(
    'following the cluster journal',
    (redis) => pageOf(redis, key, last, () => redis.xread('COUNT', PAGE, ...where)),
    link.deadline(BLOCK_MS + ANSWER_WITHIN_MS),
  );
}

/** Both are sent in one go: asked for apart, the stream could be replaced in between unseen. */
async function pageOf(
  redis: Redis,
  key: string,
  last: string | undefined,
  read: () => Promise<readonly (readonly [key: string, entries: readonly RawEntry[]])[] | null>,
): Promise<readonly RawEntry[] | undefined> {
  const [there, streams] = await Promise.all([
    last === undefined ? [last] : redis.xrange(key, last, last),
    read(),
  ]);
  return there.length === 0 ? undefined : (streams?.[0]?.[1] ?? []);
}

function* taken(page: readonly RawEntry[], signal: AbortSignal): Generator<StreamEntry> {
  for (const [streamId, fields] of page) {
    if (signal.aborted) return;
    yield { streamId, fields };
  }
}
