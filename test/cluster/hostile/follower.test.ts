import assert from 'node:assert/strict';
import { Acceptor } from '../../../src/cluster/acceptor.js';
import { unsealMessage } from '../../../src/cluster/envelope.js';
import { Follower, type FollowerOptions } from '../../../src/cluster/follower.js';
import { newClusterKey } from '../../../src/cluster/keys.js';
import type { CompletedOrder } from '../../../src/cluster/orders.js';
import type { StreamEntry } from '../../../src/cluster/types.js';
import type { AcceptedOrder } from '../../../src/jobs/types.js';
import { silentLog } from '../../../src/log/types.js';
import { testDoor } from '../../support/door.js';
import { signed } from './mutations.js';

const NOW = 1_700_000_000_000;
const MINUTE_MS = 60_000;
const key = newClusterKey();
const clock = { now: () => 0, wall: () => NOW };
const trigger = testDoor({ name: 'all', runOn: 'everywhere', startCommand: 'true' });

describe('the cluster journal of a server that is not what it should be (T5)', () => {
  /** An order of another host, at a place that the server made up. */
  const entry = (streamId: string, agoMs: number, claims: readonly string[] = []): StreamEntry => {
    const atMs = NOW - agoMs;
    const order = { type: 'Completed', grant: `b2-${atMs}-1`, door: 'all', source: '192.0.2.1' };
    const body = { ...order, runOn: 'everywhere', claims };
    return {
      streamId,
      fields: signed({ kind: 'order', host: 'b2', atMs, body }, { key, cluster: 'edge' }),
    };
  };

  /** A follower of what each reading gives in turn; an Error ends a reading. */
  function follower(readings: readonly (readonly (StreamEntry | Error)[])[]) {
    const accepted: AcceptedOrder[] = [];
    const used: CompletedOrder[] = [];
    const left = [...readings];
    async function* read(): AsyncGenerator<StreamEntry> {
      for (const each of left.shift() ?? []) {
        if (each instanceof Error) throw each;
        yield each;
      }
    }
    const accept = async (order: AcceptedOrder) => {
      accepted.push(order);
      return { kind: 'opening', grant: order.grant } as const;
    };
    const doorHere = () => ({ door: trigger, configuration: 'c1' });
    const common = { doorHere, clock, toleranceMs: 2000, log: silentLog };
    const options: FollowerOptions = {
      ...common,
      shared: { read, follow: read, aheadMs: 0 },
      unseal: ({ fields }) => unsealMessage({ signing: key, all: [key] }, 'edge', fields),
      host: 'b1',
      acceptor: new Acceptor({ ...common, grants: { accept }, closes: () => false }),
      grants: { revoke: async () => 0 },
      view: { apply: () => true },
      takeClaims: async (orders) => {
        used.push(...orders);
      },
      onRejected: () => {},
      onOpening: () => {},
      isUnderway: () => false,
    };
    return { accepted, used, follower: new Follower(options) };
  }
  const { signal } = new AbortController();

  it('cannot make an old order young by a place that says nothing about its age', async () => {
    for (const streamId of ['x', '', '-', 'NaN-0', `${'9'.repeat(400)}-0`, `-${'9'.repeat(400)}`]) {
      const old = follower([[entry(streamId, 10 * MINUTE_MS)]]);
      await old.follower.catchUp(signal);
      assert.deepEqual(old.accepted, [], streamId);
      const young = follower([[entry(streamId, 1000)]]);
      await young.follower.catchUp(signal);
      assert.equal(young.accepted.length, 1, streamId);
    }
  });

  it('is caught up with though a reading broke off: nothing that was read is lost', async () => {
    const [first, second] = [entry('1-0', 1000, ['A'.repeat(43)]), entry('2-0', 999)];
    const broken = follower([[first, new Error('lost')], [second]]);
    await assert.rejects(broken.follower.catchUp(signal), /lost/);
    assert.deepEqual(broken.accepted, []);
    await broken.follower.catchUp(signal);
    assert.deepEqual(
      broken.accepted.map(({ knockedAtMs }) => knockedAtMs),
      [NOW - 1000, NOW - 999],
    );
    assert.equal(broken.used.length, 1);
  });
});
