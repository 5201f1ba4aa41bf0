import type { Knock } from '../../machines/types.js';
import { digest, type JournalKey } from './key.js';

/**
 * What stands for a one-time sequence wherever its use is recorded: an HMAC of door and sequence,
 * so that nobody without the key can guess the ports from it (DESIGN 9).
 */
export function claimOf(key: JournalKey, door: string, knocks: readonly Knock[]): string {
  const sequence = knocks.map(({ port, protocol }) => `${port}:${protocol}`);
  return digest(key, 'claim', JSON.stringify([door, ...sequence]));
}
