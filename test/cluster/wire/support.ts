import { createSecretKey } from 'node:crypto';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { Clock } from '../../../src/clock.js';
import { sealMessage } from '../../../src/cluster/envelope.js';
import { openSharedRedis } from '../../../src/cluster/shared-redis.js';
import type {
  ClusterKeys,
  ClusterMessage,
  Sealed,
  SharedRedis,
} from '../../../src/cluster/types.js';
import { type Log, silentLog } from '../../../src/log/types.js';
import { connect, hangUp, type RedisTarget } from '../../../src/redis/connect.js';
import { type PrivateRedis, startPrivateRedis } from '../../../src/redis/private-server.js';
import { Scratch } from '../../redis/support.js';
import { poll } from '../../support/poll.js';

export function keysOf(...fill: readonly number[]): ClusterKeys {
  const all = fill.map((byte) => createSecretKey(Buffer.alloc(32, byte)));
  return { signing: all[0]!, all };
}

export const keys = keysOf(7);

export interface OpenOptions {
  readonly host?: string;
  readonly journalLength?: number;
  readonly redisWait?: number;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly target?: RedisTarget;
}

/** A redis-server for one test file, with a cluster of its own for each test. */
export class SharedBench {
  readonly #scratch = new Scratch();
  readonly #opened: SharedRedis[] = [];
  #server: PrivateRedis | undefined;
  #tests = 0;

  async start(): Promise<void> {
    const dir = join(await this.#scratch.dir(), 'redis');
    this.#server = await startPrivateRedis({ dir, log: silentLog });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#scratch.clear();
  }

  /** Closes what the last test opened; the next one's cluster is another. */
  async next(): Promise<void> {
    for (const shared of this.#opened.splice(0)) await shared.close();
    this.#tests += 1;
  }

  get server(): PrivateRedis {
    if (!this.#server) throw new Error('the bench was not started');
    return this.#server;
  }

  get cluster(): string {
    return `test-${this.#tests}`;
  }

  key(name: string): string {
    return `postern:${this.cluster}:${name}`;
  }

  /** A host of this test's cluster, which need not be ready. */
  open(options: OpenOptions = {}): SharedRedis {
    const shared = openSharedRedis({
      target: { socket: this.server.socket },
      cluster: this.cluster,
      host: 'alpha',
      journalLength: 10_000,
      redisWait: 0,
      log: silentLog,
      ...options,
    });
    this.#opened.push(shared);
    return shared;
  }

  async ready(options: OpenOptions = {}): Promise<SharedRedis> {
    const shared = this.open(options);
    await untilReady(shared);
    return shared;
  }

  /** Gives a plain connection, as an attacker would have it. */
  async raw<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = connect({
      target: { socket: this.server.socket },
      role: 'normal',
      log: silentLog,
    });
    try {
      return await use(redis);
    } finally {
      hangUp(redis);
    }
  }

  /** The fields of all entries of a stream. */
  async entries(name: 'journal' | 'once' = 'journal'): Promise<string[][]> {
    const entries = await this.raw((redis) => redis.xrange(this.key(name), '-', '+'));
    return entries.map(([, fields]) => fields);
  }

  /** Stops the server's process until the returned function is called. */
  freeze(): () => void {
    const { pid } = this.server;
    if (pid === undefined) throw new Error('the server is not there');
    process.kill(pid, 'SIGSTOP');
    return () => process.kill(pid, 'SIGCONT');
  }
}

export async function untilReady(shared: SharedRedis): Promise<void> {
  await poll(() => shared.isReady, 'the shared Redis is ready', 10_000);
}

export type OrderMessage = Extract<ClusterMessage, { readonly kind: 'order' }>;

/** An order that is told apart by its source. */
export function order(index: number, overrides: Partial<OrderMessage> = {}): OrderMessage {
  return {
    kind: 'order',
    host: 'alpha',
    id: `1000-${index}`,
    atMs: 1_700_000_000_000,
    order: {
      type: 'Completed',
      grant: `alpha-1000-${index}`,
      door: 'ssh',
      source: `192.0.2.${index % 256}`,
      runOn: 'everywhere',
      claims: [],
    },
    ...overrides,
  };
}

export function sealedOrder(index: number): Sealed {
  return sealMessage(keys, 'test', order(index));
}

/** The first `count` of what comes, or what came until the time is over. */
export async function first<T>(
  count: number,
  items: AsyncIterable<T>,
  withinMs = 5000,
): Promise<T[]> {
  const found: T[] = [];
  const iterator = items[Symbol.asyncIterator]();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ done: true; value: undefined }>((resolve) => {
    timer = setTimeout(() => resolve({ done: true, value: undefined }), withinMs);
  });
  while (found.length < count) {
    const { done, value } = await Promise.race([iterator.next(), late]);
    if (done === true) break;
    found.push(value);
  }
  clearTimeout(timer);
  return found;
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** How often a test tries, from the environment. */
export function scale(name: string, byDefault: number): number {
  return Number(process.env[name] ?? byDefault);
}
