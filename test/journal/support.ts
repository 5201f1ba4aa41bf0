import { createSecretKey } from 'node:crypto';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { Clock } from '../../src/clock.js';
import type { EventBody, JournalEvent } from '../../src/journal/events.js';
import type { JournalKey } from '../../src/journal/key.js';
import { openRedisJournal, type RedisJournal } from '../../src/journal/redis-journal.js';
import { type Log, silentLog } from '../../src/log/types.js';
import { connect, hangUp, type RedisTarget } from '../../src/redis/connect.js';
import { type PrivateRedis, startPrivateRedis } from '../../src/redis/private-server.js';
import { Scratch } from '../redis/support.js';

export const key: JournalKey = createSecretKey(Buffer.alloc(32, 7));

export interface OpenOptions {
  readonly key?: JournalKey;
  readonly host?: string;
  readonly length?: number;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly target?: RedisTarget;
}

/** A private redis-server for one test file, with a journal of its own for each test. */
export class JournalBench {
  readonly #scratch = new Scratch();
  readonly #journals: RedisJournal[] = [];
  #server: PrivateRedis | undefined;
  #tests = 0;

  async start(): Promise<void> {
    this.#server = await startPrivateRedis({
      dir: join(await this.#scratch.dir(), 'redis'),
      log: silentLog,
    });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#scratch.clear();
  }

  /** Closes the journals of the last test; the next one's stream is another. */
  async next(): Promise<void> {
    for (const journal of this.#journals.splice(0)) await journal.close();
    this.#tests += 1;
  }

  get server(): PrivateRedis {
    if (!this.#server) throw new Error('the bench was not started');
    return this.#server;
  }

  get streamKey(): string {
    return `test-${this.#tests}:journal`;
  }

  get claimsKey(): string {
    return `test-${this.#tests}:claims`;
  }

  /** Opens this test's journal, again if it is open: a second postern, or one that came back. */
  async open(options: OpenOptions = {}): Promise<RedisJournal> {
    const journal = await openRedisJournal({
      target: { socket: this.server.socket },
      host: 'alpha',
      key,
      length: 10_000,
      log: silentLog,
      prefix: `test-${this.#tests}`,
      ...options,
    });
    this.#journals.push(journal);
    return journal;
  }

  /** Gives a plain connection, as an attacker would have it. */
  async raw<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    const target = { socket: this.server.socket };
    const redis = connect({ target, role: 'normal', log: silentLog });
    try {
      return await use(redis);
    } finally {
      hangUp(redis);
    }
  }
}

/** A Completed event that is told apart by its source. */
export function completed(index: number): EventBody {
  return {
    type: 'Completed',
    door: 'ssh',
    source: `192.0.2.${index}`,
    configuration: 'digest',
  };
}

export async function all(events: AsyncIterable<JournalEvent>): Promise<JournalEvent[]> {
  const list: JournalEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
