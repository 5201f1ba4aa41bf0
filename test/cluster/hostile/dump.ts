/** Everything that a Redis holds, as text, and what of it would be a secret. */
import type { Redis } from 'ioredis';

/** Every key with its value. */
export async function dump(redis: Redis): Promise<string> {
  const lines: string[] = [];
  for (const key of await redis.keys('*')) {
    lines.push(`${key} ${JSON.stringify(await contentOf(redis, key))}`);
  }
  return lines.join('\n');
}

async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return [await redis.xrange(key, '-', '+'), await redis.xinfo('STREAM', key, 'FULL')];
    default:
      return `${await redis.type(key)}`;
  }
}

/** Between two ports of a sequence that is written out, at most. */
const GAP = 20;

/** Where a sequence stands in a text: its ports in order, or one of them as a number by itself. */
export function portsIn(text: string, sequences: readonly (readonly number[])[]): string[] {
  const ports = new Set(sequences.flat().map(String));
  const whole = new Set(sequences.map((sequence) => sequence.join(' ')));
  const length = Math.max(...sequences.map((sequence) => sequence.length));
  const found: string[] = [];
  let run: string[] = [];
  let endedAt = 0;
  for (const { 0: digits, index } of text.matchAll(/\d+/g)) {
    run = index - endedAt > GAP ? [digits] : [...run, digits].slice(-length);
    endedAt = index + digits.length;
    // Digits within a MAC, an id or an address are not a number by themselves.
    const around = `${text.charAt(index - 1)}${text.charAt(endedAt)}`;
    const isAlone = ports.has(digits) && !/[\w.-]/.test(around);
    if (isAlone || whole.has(run.join(' ')))
      found.push(text.slice(Math.max(0, index - 60), endedAt + 40));
  }
  return found;
}
