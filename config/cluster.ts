/** The directives of [options] that make a host one of a cluster, and what belongs to what. */
import { reasonOf } from '../src/errors.js';
import { parseRedisUrl, type RedisAddress } from '../src/redis/url.js';
import { type Findings, type Place, WHOLE_FILE } from './diagnostics.js';
import type { Directive } from './directives.js';
import { bad, good, type Reading } from './reading.js';
import type { Options } from './types.js';
import { absolutePath, part, seconds, wholeNumber } from './values.js';

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Whether a cluster or a host may be called that: it becomes part of keys and ids. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

function name(text: string): Reading<string> {
  if (isName(text)) return good(text);
  return bad('takes a name of 1 to 64 letters, digits, dots, dashes and underscores');
}

/** The URL of the shared Redis. It may hold a password, so it is never shown. */
function sharedRedis(text: string): Reading<string> {
  try {
    parseRedisUrl(text);
    return good(text);
  } catch (error) {
    return bad(`takes a URL; ${reasonOf(error)}`);
  }
}

const MOST_TOLERANCE_MS = 60_000;

function tolerance(text: string): Reading<number> {
  const reading = seconds(text);
  if (reading.value === undefined) return reading;
  const isWithin = reading.value >= 100 && reading.value <= MOST_TOLERANCE_MS;
  return isWithin ? reading : bad('takes a number of seconds from 0.1 to 60');
}

export const CLUSTER_DIRECTIVES: readonly Directive<Options>[] = [
  { name: 'cluster', read: part(name, (cluster) => ({ cluster })) },
  { name: 'host', read: part(name, (host) => ({ host })) },
  {
    name: 'cluster_key_file',
    read: part(absolutePath, (clusterKeyFile) => ({ clusterKeyFile })),
  },
  { name: 'redis', read: part(sharedRedis, (redis) => ({ redis })) },
  {
    name: 'redis_password_file',
    read: part(absolutePath, (redisPasswordFile) => ({ redisPasswordFile })),
  },
  { name: 'redis_ca_file', read: part(absolutePath, (redisCaFile) => ({ redisCaFile })) },
  { name: 'redis_cert_file', read: part(absolutePath, (redisCertFile) => ({ redisCertFile })) },
  { name: 'redis_key_file', read: part(absolutePath, (redisKeyFile) => ({ redisKeyFile })) },
  { name: 'redis_wait', read: part(wholeNumber(0, 100), (redisWait) => ({ redisWait })) },
  {
    name: 'clock_tolerance',
    read: part(tolerance, (clockToleranceMs) => ({ clockToleranceMs })),
  },
];

const TLS_FILES = ['redis_ca_file', 'redis_cert_file', 'redis_key_file'];

/** One directive needs another, or a pair of them, and what is said when that is missing. */
const NEEDS: readonly (readonly [directive: string, needed: string, message: string])[] = [
  [
    'cluster',
    'redis',
    'cluster needs the Redis that its hosts share; add redis = redis://HOST:PORT',
  ],
  [
    'redis',
    'cluster',
    'redis is what the hosts of a cluster share; add cluster = NAME, or remove it (for a Redis of ' +
      'this host alone: local_redis)',
  ],
  ...['redis_password_file', ...TLS_FILES, 'redis_wait'].map(
    (directive) =>
      [
        directive,
        'redis',
        `${directive} is about redis, which is missing; add redis = URL`,
      ] as const,
  ),
  ['redis_cert_file', 'redis_key_file', 'redis_cert_file needs its key; add redis_key_file = FILE'],
  [
    'redis_key_file',
    'redis_cert_file',
    'redis_key_file needs its certificate; add redis_cert_file = FILE',
  ],
];

/**
 * Directives of [options] that do not go together, or mean nothing without another one. `seen` says
 * where each stands, also where its value is in error: then the one message is enough.
 */
export function checkClusterOptions(
  { redis }: Options,
  seen: ReadonlyMap<string, Place>,
  findings: Findings,
): void {
  const wrong = (directive: string, message: string) =>
    findings.error('POSTERN_E_CONFIG_VALUE', seen.get(directive) ?? WHOLE_FILE, message);
  for (const [directive, needed, message] of NEEDS)
    if (seen.has(directive) && !seen.has(needed)) wrong(directive, message);
  if (redis !== undefined) {
    const address = parseRedisUrl(redis);
    if (!isTls(address))
      for (const directive of TLS_FILES.filter((each) => seen.has(each)))
        wrong(directive, `${directive} is for TLS; write redis = rediss://… as well, or remove it`);
    if (address.password !== undefined && seen.has('redis_password_file'))
      wrong('redis_password_file', 'redis has a password in its URL too; keep the file alone');
  }
}

function isTls(address: RedisAddress): boolean {
  return address.kind !== 'socket' && address.tls;
}
