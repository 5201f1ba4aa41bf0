import type { Knock } from '../../machines/types.js';
import { digest } from '../journal/key.js';
import type { ClusterKeys } from './types.js';

/**
 * What stands for a one-time sequence in the cluster: HMAC(door, sequence) under each of its keys, so
 * that while a key is rolled out, hosts that hold one key in common agree on what is used up. Nobody
 * without a key can guess the ports from it (DESIGN 9), nor relate it to a host's own claim.
 */
export function clusterClaims(keys: ClusterKeys, door: string, knocks: readonly Knock[]): string[] {
  const sequence = knocks.map(({ port, protocol }) => `${port}:${protocol}`);
  const text = JSON.stringify([door, ...sequence]);
  return keys.all.map((key) => digest(key, 'cluster-claim', text));
}
