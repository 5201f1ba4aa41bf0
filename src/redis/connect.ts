import { Redis, type RedisOptions } from 'ioredis';
import { PosternError, reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';

/** The private server's socket, or the URL of another server (`local_redis`, `redis`). */
export type RedisTarget = { readonly socket: string } | { readonly url: string };

/**
 * - `normal`: commands wait through a short outage, then fail (some seconds)
 * - `worker`: commands wait for ever, as BullMQ's workers need
 * - `blocking`: for one blocking read at a time; waits for ever
 * - `append`: fails rather than queues, and never sends anything twice by itself: its owner decides
 */
export type RedisRole = 'normal' | 'worker' | 'blocking' | 'append';

export interface ConnectOptions {
  readonly target: RedisTarget;
  readonly role: RedisRole;
  readonly log: Log;
}

const ROLES: Record<RedisRole, RedisOptions> = {
  // Ten tries are some seven seconds with the pauses below.
  normal: { maxRetriesPerRequest: 10 },
  worker: { maxRetriesPerRequest: null },
  blocking: { maxRetriesPerRequest: null },
  append: {
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
  },
};

/**
 * A connection that comes back by itself (after 50 ms, doubling to 1 s) and whose errors go to the
 * log: once when it is lost, once when it is back. Its owner ends it with `quit` or `hangUp`.
 *
 * Throws POSTERN_E_REDIS when the URL is none. No URL and no password is ever logged.
 */
export function connect({ target, role, log }: ConnectOptions): Redis {
  const redis = new Redis({
    ...endpoint(target),
    ...ROLES[role],
    connectTimeout: 5000,
    // A starting server is asked again soon, not after a second.
    maxLoadingRetryTime: 50,
    disableClientInfo: true,
    // The one shape of replies that servers of both protocols give.
    replyMapping: 'legacy',
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt - 1, 10), 1000),
  } satisfies RedisOptions & { readonly replyMapping: 'legacy' });
  reportOutages(redis, role, log);
  return redis;
}

/** Ends a connection at once, whatever it is waiting for, even if the server is frozen. */
export function hangUp(redis: Redis): void {
  redis.disconnect();
  redis.stream?.destroy();
}

function reportOutages(redis: Redis, role: RedisRole, log: Log): void {
  let lost: string | undefined;
  // The message only: ioredis puts the arguments of AUTH into the error object.
  redis.on('error', (error) => {
    const reason = reasonOf(error);
    if (reason !== lost) log.warn({ role, reason }, 'Redis is out of reach');
    lost = reason;
  });
  redis.on('ready', () => {
    if (lost !== undefined) log.info({ role }, 'Redis is in reach again');
    lost = undefined;
  });
}

function endpoint(target: RedisTarget): RedisOptions {
  if ('socket' in target) return { path: target.socket };
  return parseUrl(target.url);
}

/**
 * `redis://`, `rediss://` (TLS) and `unix://` URLs: user, password, host, port, database. Parsed
 * here because ioredis takes anything for a host name.
 */
function parseUrl(text: string): RedisOptions {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const credentials: RedisOptions = url
    ? {
        ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
        ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
      }
    : {};
  if (url?.protocol === 'unix:' && url.pathname !== '') {
    return { path: decodeURIComponent(url.pathname), ...credentials };
  }
  const db = /^\/?(\d*)$/.exec(url?.pathname ?? '')?.[1];
  const secure = url?.protocol === 'rediss:';
  if (
    url === undefined ||
    url.hostname === '' ||
    db === undefined ||
    !(secure || url.protocol === 'redis:')
  ) {
    throw new PosternError(
      'POSTERN_E_REDIS',
      'the URL of Redis is not understood: write redis://[user:password@]host[:port][/database], ' +
        'rediss://… for TLS, or unix:///path',
    );
  }
  return {
    // Brackets belong to the URL, not to an IPv6 address.
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    db: db === '' ? 0 : Number(db),
    ...credentials,
    ...(secure && { tls: {} }),
  };
}
