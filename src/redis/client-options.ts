import type { RedisOptions } from 'ioredis';
import type { RedisRole, RedisTarget } from './connect.js';
import { parseRedisUrl } from './url.js';

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
 * How long a server that was asked something may be silent before the connection is given up, in
 * milliseconds. Longer than anything of that role waits in Redis on purpose: the journal's reads up
 * to 5 s, BullMQ's up to 10.
 */
const SILENCE_MAX_MS: Record<RedisRole, number> = {
  normal: 5000,
  append: 5000,
  blocking: 8000,
  worker: 14_000,
};

/** Short, so that a try that began while the network was away does not outlast its return by much. */
const CONNECT_WITHIN_MS = 2000;
/** A Sentinel that is frozen or dark must not keep us from the next one. */
const SENTINEL_ANSWER_WITHIN_MS = 1000;
const RETRY_MAX_MS = 1000;
/** Sentinels say who is primary as soon as they agreed on it, so they are asked often. */
const SENTINEL_RETRY_MAX_MS = 250;

/** Its replies have the one shape that servers of both protocols give. */
export type ClientOptions = RedisOptions & { readonly replyMapping: 'legacy' };

/** What ioredis is told. Throws POSTERN_E_REDIS when the URL is none. */
export function clientOptions(target: RedisTarget, role: RedisRole): ClientOptions {
  return {
    ...ROLES[role],
    connectTimeout: 5000,
    // A starting server is asked again soon, not after a second.
    maxLoadingRetryTime: 50,
    disableClientInfo: true,
    retryStrategy: pauseUpTo(RETRY_MAX_MS),
    // A primary that was demoted: the new one is to be found. Blocked reads are sent away with UNBLOCKED.
    reconnectOnError: ({ message }) => /\bREADONLY\b|^UNBLOCKED\b/.test(message),
    ...endpoint(target, role),
    replyMapping: 'legacy',
  };
}

function endpoint(target: RedisTarget, role: RedisRole): RedisOptions {
  if ('socket' in target) return { path: target.socket };
  const address = parseRedisUrl(target.url);
  const password = target.password ?? address.password;
  const credentials: RedisOptions = {
    ...(address.username !== undefined && { username: address.username }),
    ...(password !== undefined && { password }),
  };
  if (address.kind === 'socket') return { path: address.path, ...credentials };
  const remote: RedisOptions = {
    db: address.db,
    connectTimeout: CONNECT_WITHIN_MS,
    socketTimeout: SILENCE_MAX_MS[role],
    ...credentials,
    ...(address.tls && { tls: { ...target.tls } }),
  };
  if (address.kind === 'server') return { ...remote, ...address.server };
  return {
    ...remote,
    sentinels: [...address.sentinels],
    // Those of the URL only: what Sentinels tell of each other are addresses of their own network.
    updateSentinels: false,
    name: address.master,
    role: 'master',
    sentinelCommandTimeout: SENTINEL_ANSWER_WITHIN_MS,
    sentinelRetryStrategy: pauseUpTo(SENTINEL_RETRY_MAX_MS),
    retryStrategy: pauseUpTo(SENTINEL_RETRY_MAX_MS),
    // Seven seconds, as above.
    ...(role === 'normal' && { maxRetriesPerRequest: 30 }),
    ...sentinelCredentials(password),
    ...(address.tls && { sentinelTLS: { ...target.tls }, enableTLSForSentinelMode: true }),
  };
}

/**
 * The servers' password, for the user `default`: right where the Sentinels have the same in
 * `requirepass`, and taken by those that have none (AUTH with that user's name never fails there,
 * with the password alone it does). They know it anyhow, from `sentinel auth-pass`.
 */
function sentinelCredentials(password: string | undefined): RedisOptions {
  if (password === undefined) return {};
  return { sentinelUsername: 'default', sentinelPassword: password };
}

function pauseUpTo(maxMs: number): (attempt: number) => number {
  return (attempt) => Math.min(50 * 2 ** Math.min(attempt - 1, 10), maxMs);
}
