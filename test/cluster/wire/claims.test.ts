import assert from 'node:assert/strict';
import type { Knock } from '../../../machines/types.js';
import { clusterClaims } from '../../../src/cluster/claims.js';
import { claimOf } from '../../../src/journal/claims.js';
import { keys, keysOf } from './support.js';

const tcp: Knock = { port: 45678, protocol: 'tcp' };
const udp: Knock = { port: 56789, protocol: 'udp' };
const sequence = [tcp, udp];

describe('what stands for a one-time sequence in the cluster', () => {
  it('is the same on every host that holds a key in common', () => {
    const [old] = clusterClaims(keysOf(1), 'ssh', sequence);
    const [new_] = clusterClaims(keysOf(2), 'ssh', sequence);
    assert.deepEqual(clusterClaims(keysOf(1, 2), 'ssh', sequence), [old, new_]);
    assert.deepEqual(clusterClaims(keysOf(2, 1), 'ssh', sequence), [new_, old]);
    assert.notEqual(old, new_);
  });

  it('is another for another door, order, protocol or port', () => {
    const all = [
      clusterClaims(keys, 'ssh', sequence),
      clusterClaims(keys, 'web', sequence),
      clusterClaims(keys, 'ssh', [udp, tcp]),
      clusterClaims(keys, 'ssh', [tcp]),
      clusterClaims(keys, 'ssh', [tcp, { ...udp, protocol: 'tcp' }]),
      clusterClaims(keys, 'ssh', [tcp, { ...udp, port: 56780 }]),
    ].flat();
    assert.equal(new Set(all).size, all.length);
  });

  it("is not the host's own claim under the same key, and holds no port", () => {
    const [claim = ''] = clusterClaims(keys, 'ssh', sequence);
    assert.notEqual(claim, claimOf(keys.signing, 'ssh', sequence));
    assert.match(claim, /^[\w-]{43}$/);
  });
});
