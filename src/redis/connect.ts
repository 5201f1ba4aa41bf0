import { Redis, type RedisOptions } from 'ioredis';
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { parseRedisUrl } from './url.js';

/** PEM, as read from files (`target.ts`). */
export interface RedisTls {
  /** Who signs the server's certificate. Absent: those whom Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * The private server's socket, or the URL of another server (`local_redis`, `redis`) with what stands
 * in files. It holds secrets: never log one.
 */
export type RedisTarget =
  | { readonly socket: string }
  | { readonly url: string; readonly password?: string; readonly tls?: RedisTls };

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
  const address = parseRedisUrl(target.url);
  const password = target.password ?? address.password;
  const credentials: RedisOptions = {
    ...(address.username !== undefined && { username: address.username }),
    ...(password !== undefined && { password }),
  };
  if (address.kind === 'socket') return { path: address.path, ...credentials };
  const tls = address.tls ? { tls: { ...target.tls } } : {};
  if (address.kind === 'server') {
    return { ...address.server, db: address.db, ...credentials, ...tls };
  }
  const { sentinels, master, db } = address;
  return {
    sentinels: [...sentinels],
    name: master,
    role: 'master',
    db,
    ...credentials,
    ...sentinelCredentials(password),
    ...tls,
    ...(address.tls && { sentinelTLS: { ...target.tls }, enableTLSForSentinelMode: true }),
  };
}

/**
 * The servers' password, for the user `default`: right where the Sentinels have the same in
 * `requirepass`, and taken by those that have none (AUTH with a user's name never fails there,
 * with the password alone it does). They know it anyhow, as `sentinel auth-pass`.
 */
function sentinelCredentials(password: string | undefined): RedisOptions {
  if (password === undefined) return {};
  return { sentinelUsername: 'default', sentinelPassword: password };
}
