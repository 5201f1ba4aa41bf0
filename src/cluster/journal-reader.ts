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
      const page = await patience.trying(() => nextPage(link, key, last), [], signal);
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

/** A page; undefined when the entry that it is to follow is not there any more. */
function pageAfter(
  link: Link,
  key: string,
  last: string | undefined,
): Promise<readonly RawEntry[] | undefined> {
  return link.ask('reading the cluster journal', async (redis) => {
    if (last === undefined) return redis.xrange(key, '-', '+', 'COUNT', PAGE);
    const [there, page] = await Promise.all([
      redis.xrange(key, last, last),
      redis.xrange(key, `(${last}`, '+', 'COUNT', PAGE),
    ]);
    return there.length === 0 ? undefined : page;
  });
}

/** The entries that are next, none after a second; undefined as for `pageAfter`. */
function nextPage(
  link: Link,
  key: string,
  last: string | undefined,
): Promise<readonly RawEntry[] | undefined> {
  return link.ask(
    'following the cluster journal',
    async (redis) => {
      // Sent in one go: asked for apart, the stream could be replaced in between unseen.
      const [there, read] = await Promise.all([
        last === undefined ? [last] : redis.xrange(key, last, last),
        redis.xread('COUNT', PAGE, 'BLOCK', BLOCK_MS, 'STREAMS', key, last ?? '0-0'),
      ]);
      return there.length === 0 ? undefined : (read?.[0]?.[1] ?? []);
    },
    link.deadline(BLOCK_MS + ANSWER_WITHIN_MS),
  );
}

function* taken(page: readonly RawEntry[], signal: AbortSignal): Generator<StreamEntry> {
  for (const [streamId, fields] of page) {
    if (signal.aborted) return;
    yield { streamId, fields };
  }
}
