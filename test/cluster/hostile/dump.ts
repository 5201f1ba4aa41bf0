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

/** Sequences that stand in a text: all of their ports in order, or one of them as a number by itself. */
export function portsIn(text: string, sequences: readonly (readonly number[])[]): string[] {
  return sequences.flatMap((sequence) => {
    const inOrder = new RegExp(sequence.join('\\D{1,20}')).exec(text);
    // Digits within a MAC or an id are not a number by themselves.
    const alone = new RegExp(`(?<![\\w.-])(?:${sequence.join('|')})(?![\\w.-])`).exec(text);
    return [inOrder, alone].flatMap((found) => (found === null ? [] : [around(text, found.index)]));
  });
}

function around(text: string, index: number): string {
  return text.slice(Math.max(0, index - 40), index + 60);
}
