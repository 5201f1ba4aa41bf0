import { Redis, type RedisOptions } from 'ioredis';
import type { ClientOptions } from './client-options.js';
import { whyUnreachable } from './reasons.js';

const SWITCHED = '+switch-master';
/** A Sentinel that is away is tried again so often; the others tell us meanwhile. */
const RETRY_MS = 2000;

/** A Sentinel that was asked before it knew, or does not know yet, still names the old primary. */
const REPLACED_FOR_MS = 5000;

/** A server that was primary until a moment ago. */
interface Replaced {
  readonly address: string | undefined;
  readonly port: number;
  /** Monotonic ms; it may be primary again one day. */
  readonly untilMs: number;
}

export interface FailoverWatch {
  /** Why the Sentinel that was asked last is out of reach; undefined: those that answered are not. */
  readonly reason: string | undefined;
  stop(): void;
}

/**
 * Listens to each Sentinel of a connection and drops the connection at once when they say that
 * another server is primary: a primary that hangs, or that only the Sentinels cannot reach, would
 * keep it otherwise. (ioredis's `failoverDetector` writes to the console about Sentinels that are
 * away.)
 */
export function watchFailover(redis: Redis): FailoverWatch {
  const reasons = new Map<Redis, string>();
  let replaced: Replaced | undefined;
  const sentinels = (redis.options.sentinels ?? []).map(({ host, port }) => {
    const sentinel = new Redis({
      ...optionsOf(redis.options),
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
    });
    sentinel.on('error', (error) => {
      Reflect.deleteProperty(error, 'command');
      reasons.set(sentinel, whyUnreachable(error));
    });
    sentinel.on('ready', () => reasons.delete(sentinel));
    sentinel.on('message', (_channel, text) => {
      // Its name, then the old address and the new one.
      const [name, address, port] = text.split(' ');
      if (name !== redis.options.name) return;
      replaced = { address, port: Number(port), untilMs: performance.now() + REPLACED_FOR_MS };
      drop(redis);
    });
    sentinel.subscribe(SWITCHED).catch(() => undefined); // asked again on the next connection
    return sentinel;
  });
  redis.on('connect', () => {
    const { remoteAddress, remotePort } = redis.stream;
    const isReplaced = remoteAddress === replaced?.address && remotePort === replaced?.port;
    if (isReplaced && performance.now() < (replaced?.untilMs ?? 0)) drop(redis);
  });
  return {
    get reason() {
      return [...reasons.values()].at(-1);
    },
    stop() {
      for (const sentinel of sentinels) {
        sentinel.disconnect();
        sentinel.stream?.destroy();
      }
    },
  };
}

/** Not while it is being made: ioredis would take that for the end, and it finds the new one anyhow. */
function drop(redis: Redis): void {
  if (redis.status === 'connect' || redis.status === 'ready') redis.stream.destroy();
}

/** The same as ioredis's own questions to a Sentinel. */
function optionsOf(options: RedisOptions): Omit<ClientOptions, 'host' | 'port'> {
  const { sentinelUsername, sentinelPassword, sentinelTLS, connectTimeout } = options;
  return {
    ...(sentinelUsername !== undefined && { username: sentinelUsername }),
    ...(sentinelPassword !== undefined && { password: sentinelPassword }),
    ...(sentinelTLS !== undefined && { tls: sentinelTLS }),
    ...(connectTimeout !== undefined && { connectTimeout }),
    enableReadyCheck: false,
    replyMapping: 'legacy',
    disableClientInfo: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => RETRY_MS,
  };
}
