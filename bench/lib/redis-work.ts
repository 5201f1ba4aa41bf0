/** What postern's private Redis has been asked, by its own count. */
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Postern } from '../../test/support/daemon.js';

export interface RedisWork {
  /** Calls by command, those within scripts included. */
  readonly calls: ReadonlyMap<string, number>;
  readonly bytesIn: number;
}

export async function redisWork({ stateDir }: Postern): Promise<RedisWork> {
  const redis = new Redis({ path: join(stateDir, 'redis', 'redis.sock') });
  try {
    const commands = String(await redis.info('commandstats'));
    const stats = String(await redis.info('stats'));
    const counted = commands.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
    const calls = new Map(
      [...counted].map(([, name = '', count]): [string, number] => [name, Number(count)]),
    );
    return { calls, bytesIn: Number(/^total_net_input_bytes:(\d+)/m.exec(stats)?.[1]) };
  } finally {
    redis.disconnect();
  }
}

/** Calls between two looks, divided among so many, the most frequent first. */
export function callsEach(
  before: RedisWork,
  after: RedisWork,
  among: number,
): Readonly<Record<string, number>> {
  const each = [...after.calls].map(([name, count]): [string, number] => {
    return [name, Number(((count - (before.calls.get(name) ?? 0)) / among).toFixed(2))];
  });
  const asked = each.filter(([, count]) => count >= 0.05);
  return Object.fromEntries(asked.toSorted(([, a], [, b]) => b - a));
}
