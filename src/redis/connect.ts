import { Redis } from 'ioredis';
import type { Log } from '../log/types.js';
import { clientOptions } from './client-options.js';
import { type FailoverWatch, watchFailover } from './failover.js';
import { reportOutages } from './outages.js';

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

const watches = new WeakMap<Redis, FailoverWatch>();

/**
 * A connection that comes back by itself (after 50 ms, doubling to 1 s; 250 ms with Sentinel)
 * and whose errors go to the log: each reason of an outage once, and once that it is back. One to
 * another machine is also given up when the server is silent too long (`client-options.ts`), when it
 * turns out to be no primary, and when the Sentinels name another. Its owner ends it with `quit` or
 * `hangUp`.
 *
 * An ACL user needs `+info`: without it nobody would see that a server is still loading.
 *
 * Throws POSTERN_E_REDIS when the URL is none. No URL and no password is ever logged.
 */
export function connect({ target, role, log }: ConnectOptions): Redis {
  const redis = new Redis(clientOptions(target, role));
  const watch = redis.options.sentinels ? watchFailover(redis) : undefined;
  if (watch !== undefined) {
    watches.set(redis, watch);
    redis.once('end', () => watch.stop());
  }
  reportOutages(redis, role, log, watch);
  return redis;
}

/** Ends a connection at once, whatever it is waiting for, even if the server is frozen. */
export function hangUp(redis: Redis): void {
  // One that waits for its next try has no end to tell of.
  watches.get(redis)?.stop();
  redis.disconnect();
  redis.stream?.destroy();
}
