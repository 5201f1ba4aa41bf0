import type { Redis } from 'ioredis';
import type { Log } from '../log/types.js';
import type { FailoverWatch } from './failover.js';
import { whyUnreachable } from './reasons.js';

/** Different reasons of one outage that are said; a server may answer something new each time. */
const REASONS_MAX = 4;
/** A connection that ends sooner than this, and twice in a row, was not wanted by the server. */
const AT_ONCE_MS = 1000;

const WANTS_TLS = 'does the server want TLS (rediss://)?';
const CLOSED_AT_ONCE = `each connection is closed at once: ${WANTS_TLS}`;

/**
 * Tells the log of each outage: every reason once, and once that it is over. Nothing of a command is
 * told, and nothing of AUTH stays in the error that its owner gets.
 */
export function reportOutages(
  redis: Redis,
  role: string,
  log: Log,
  watch: FailoverWatch | undefined,
): void {
  const said = new Set<string>();
  const say = (reason: string) => {
    if (said.has(reason) || said.size >= REASONS_MAX) return;
    said.add(reason);
    log.warn({ role, reason }, 'Redis is out of reach');
  };
  const sentinels = new SentinelRound(watch);
  redis.on('error', (error) => {
    const isOfSentinels = error.message.startsWith('All sentinels are unreachable');
    const reason = isOfSentinels
      ? sentinels.reason(redis.options.sentinels?.length ?? 0)
      : `${whyUnreachable(error)}${hint(redis, error)}`;
    if (reason !== undefined) say(reason);
    refuseWrongDatabase(redis, error);
    // ioredis puts the arguments into it, a password too, and rejects waiting commands with it.
    Reflect.deleteProperty(error, 'command');
  });
  redis.on('sentinelError', (error) => sentinels.failed(error));
  redis.on('connect', () => sentinels.succeeded());
  reportClosings(redis, () => say(CLOSED_AT_ONCE));
  redis.on('ready', () => {
    if (said.size > 0) log.info({ role }, 'Redis is in reach again');
    said.clear();
  });
}

/** A redis-server does not answer to TLS where it expects none, and resets what is none. */
function hint(redis: Redis, error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  if (redis.options.tls && code === 'ETIMEDOUT') return ': does the server speak TLS there?';
  const isNew = redis.status === 'connect' && !redis.options.tls;
  return isNew && code === 'ECONNRESET' ? `: ${WANTS_TLS}` : '';
}

/** ioredis goes on in database 0 when there is none of that number, or it may not be used. */
function refuseWrongDatabase(redis: Redis, error: unknown): void {
  if (commandName(error) === 'select' && redis.status === 'connect') redis.stream.destroy();
}

function commandName(error: unknown): unknown {
  const command = error instanceof Error && 'command' in error ? error.command : undefined;
  return typeof command === 'object' && command && 'name' in command ? command.name : undefined;
}

/** A server or proxy that closes every connection at once is no error to ioredis. */
function reportClosings(redis: Redis, say: () => void): void {
  let connectedAtMs: number | undefined;
  let inARow = 0;
  redis.on('connect', () => {
    connectedAtMs = performance.now();
  });
  redis.on('ready', () => {
    inARow = 0;
    connectedAtMs = undefined;
  });
  redis.on('error', () => {
    inARow = 0;
    connectedAtMs = undefined;
  });
  redis.on('close', () => {
    if (connectedAtMs === undefined || performance.now() - connectedAtMs > AT_ONCE_MS) return;
    connectedAtMs = undefined;
    inARow += 1;
    if (inARow === 2) say();
  });
}

/**
 * Why no Sentinel led to a primary. ioredis says so as well when it only came to the end of its list,
 * where it had begun in the middle, and of a connection that failed it only says that it was closed.
 */
class SentinelRound {
  readonly #watch: FailoverWatch | undefined;
  #failures = 0;
  #last = '';

  constructor(watch: FailoverWatch | undefined) {
    this.#watch = watch;
  }

  failed(error: Error): void {
    this.#failures += 1;
    this.#last = error.message;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Undefined when not each of so many Sentinels failed, or it is not known why yet. */
  reason(sentinels: number): string | undefined {
    if (this.#failures < sentinels) return undefined;
    this.#failures = 0;
    if (this.#last.includes('invalid reply')) return 'the Sentinels know no primary of that name';
    const why = this.#watch?.reason;
    return why === undefined ? undefined : `no Sentinel is in reach: ${why}`;
  }
}
