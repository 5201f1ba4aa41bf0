import assert from 'node:assert/strict';
import { monotonicMs } from '../../../src/clock.js';
import { clusterClaims } from '../../../src/cluster/claims.js';
import type { SharedRedis } from '../../../src/cluster/types.js';
import { poll } from '../../support/poll.js';
import { recordingLog } from '../../support/recording-log.js';
import { keysOf, range, SharedBench, scale, sealedOrder, untilReady } from './support.js';

const CLAIMS = scale('CLUSTER_CLAIMS', 200);

describe('the shared Redis', () => {
  const bench = new SharedBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  describe('complete', () => {
    it('appends the order, and to the queue of doors that one host acts on only when asked', async () => {
      const shared = await bench.ready();
      assert.equal(await shared.complete('g1', sealedOrder(1), [], false), 'won');
      assert.equal(await shared.complete('g2', sealedOrder(2), [], true), 'won');
      assert.deepEqual(await bench.entries(), [sealedOrder(1), sealedOrder(2)]);
      assert.deepEqual(await bench.entries('once'), [sealedOrder(2)]);
    });

    it('makes all claims or none: any that was made for another grant is spent', async () => {
      const shared = await bench.ready();
      assert.equal(await shared.complete('g1', sealedOrder(1), ['a', 'b'], false), 'won');
      assert.equal(await shared.complete('g2', sealedOrder(2), ['c', 'b'], true), 'spent');
      assert.deepEqual(await shared.claimed(['a', 'b', 'c']), [true, true, false]);
      assert.deepEqual(await bench.entries(), [sealedOrder(1)]);
      assert.deepEqual(await bench.entries('once'), []);
    });

    it('says again that it was won to the grant that won, and appends nothing then', async () => {
      const shared = await bench.ready();
      await shared.complete('g1', sealedOrder(1), ['a', 'b'], true);
      assert.equal(await shared.complete('g1', sealedOrder(1), ['a', 'b'], true), 'won');
      assert.equal(await shared.complete('g1', sealedOrder(1), ['a', 'c'], true), 'won');
      assert.equal((await bench.entries()).length, 1);
      assert.equal((await bench.entries('once')).length, 1);
      assert.deepEqual(await shared.claimed(['c']), [true]);
    });

    it(`has one winner when two hosts complete at once, ${CLAIMS} times (T4)`, async () => {
      const sequence = [{ port: 45678, protocol: 'tcp' }] as const;
      const hosts = await Promise.all(['a', 'b'].map((host) => bench.ready({ host })));
      // One host has the new key already, the other only the old one.
      const keyRings = [keysOf(2, 1), keysOf(1)] as const;
      const wins = [0, 0];
      for (const race of range(CLAIMS)) {
        const outcomes = await Promise.all(
          hosts.map((shared, index) => {
            const claims = clusterClaims(keyRings[index]!, `door ${race}`, sequence);
            return shared.complete(`${index}-${race}`, sealedOrder(race), claims, false);
          }),
        );
        assert.deepEqual([...outcomes].sort(), ['spent', 'won'], `race ${race}`);
        wins[outcomes.indexOf('won')]! += 1;
        hosts.reverse(); // so that the other one sends first
        wins.reverse();
      }
      assert.equal((await bench.entries()).length, CLAIMS);
      console.log(`      wins: ${wins.join(' and ')}`);
    });

    it('is refused at once while Redis is out of reach', async () => {
      const shared = bench.open({ target: { socket: '/nowhere/redis.sock' } });
      const before = performance.now();
      await assert.rejects(shared.complete('g', sealedOrder(1), ['a'], false), {
        code: 'POSTERN_E_CLUSTER',
        message: /was not sent/,
      });
      assert.ok(performance.now() - before < 50);
      assert.equal(shared.isReady, false);
    });
  });

  it('cuts journal and queue to about their length', async () => {
    const shared = await bench.ready({ journalLength: 100 });
    await Promise.all(range(500).map((index) => shared.publish(sealedOrder(index), true)));
    for (const name of ['journal', 'once'] as const) {
      const { length } = await bench.entries(name);
      assert.ok(length >= 100 && length < 300, `${length} in ${name}`);
    }
  });

  it('keeps claims that the journal lost with its old entries', async () => {
    const shared = await bench.ready({ journalLength: 10 });
    await shared.complete('g1', sealedOrder(1), ['a'], false);
    await Promise.all(range(300).map((index) => shared.publish(sealedOrder(index), false)));
    assert.notDeepEqual((await bench.entries())[0], sealedOrder(1));
    assert.equal(await shared.complete('g2', sealedOrder(2), ['a'], false), 'spent');
  });

  it('takes in claims again that it lost, and never gives one to another grant', async () => {
    const shared = await bench.ready();
    const many = range(1200).map((index) => ({ claim: `c${index}`, grant: `g${index}` }));
    await shared.complete('first', sealedOrder(1), ['c7'], false);
    await shared.addClaims(many);
    assert.deepEqual(await shared.claimed(['c0', 'c1199', 'x']), [true, true, false]);
    assert.deepEqual(await shared.claimed([]), []);
    assert.equal(await bench.raw((redis) => redis.hget(bench.key('claims'), 'c7')), 'first');
    assert.equal(await shared.complete('g', sealedOrder(2), ['c5'], false), 'spent');
  });

  it('gives a grant to the host that asks first, and to it again', async () => {
    const [alpha, beta] = await Promise.all([bench.ready(), bench.ready({ host: 'beta' })]);
    assert.equal(await alpha.take('g'), true);
    assert.equal(await beta.take('g'), false);
    assert.equal(await alpha.take('g'), true);
    const forMs = await bench.raw((redis) => redis.pttl(bench.key('taken:g')));
    assert.ok(forMs > 86_000_000 && forMs <= 86_400_000, `${forMs}`);
  });

  it('gives a grant to one of many hosts that ask at once', async () => {
    const hosts = await Promise.all(range(5).map((index) => bench.ready({ host: `h${index}` })));
    for (const race of range(50)) {
      const taken = await Promise.all(hosts.map((shared) => shared.take(`g${race}`)));
      assert.equal(taken.filter(Boolean).length, 1);
    }
  });

  it('keeps the last sign of life of each host until the next one', async () => {
    const [alpha, beta] = await Promise.all([bench.ready(), bench.ready({ host: 'beta' })]);
    await alpha.beat('one');
    await beta.beat('two');
    await alpha.beat('three');
    const expected = new Map([
      ['alpha', 'three'],
      ['beta', 'two'],
    ]);
    assert.deepEqual(new Map([...(await beta.beats())].sort()), expected);
    await alpha.forgetHost('beta');
    assert.deepEqual([...(await beta.beats())], [['alpha', 'three']]);
  });

  it('knows how far the wall clock is ahead of that of Redis', async () => {
    const clock = { now: monotonicMs, wall: () => Date.now() + 90_000 };
    const shared = await bench.ready({ clock });
    assert.ok(Math.abs(shared.aheadMs - 90_000) < 200, `${shared.aheadMs}`);
    clock.wall = () => Date.now() - 5000;
    await poll(() => Math.abs(shared.aheadMs + 5000) < 200, 'it is measured anew');
  });

  it('refuses what comes late by the clock of Redis, and learns that clock anew', async () => {
    let aheadMs = 0;
    const clock = { now: () => monotonicMs() + aheadMs, wall: Date.now };
    const shared = await bench.ready({ clock });
    aheadMs = -60_000; // as if the clock of Redis had gone a minute ahead
    await assert.rejects(shared.complete('g', sealedOrder(1), ['a'], false), {
      code: 'POSTERN_E_CLUSTER',
      message: /too late/,
    });
    assert.deepEqual(await bench.entries(), []);
    await poll(() => accepts(shared), 'the clock is learnt');
    assert.deepEqual(await bench.entries(), [sealedOrder(2)]);
  });

  it('says why Redis refuses, does nothing by halves, and goes on when it may', async () => {
    const log = recordingLog();
    const memory = (bytes: number) =>
      bench.raw((redis) => redis.config('SET', 'maxmemory', String(bytes)));
    const user = (...rule: string[]) =>
      bench.raw((redis) => redis.call('ACL', 'SETUSER', 'default', ...rule));
    try {
      await user('-time');
      const shared = bench.open({ log });
      await poll(() => log.entries.length > 0, 'it is said');
      assert.equal(shared.isReady, false);
      assert.match(JSON.stringify(log.entries), /refuses us.*shared|shared.*refuses us/);
      await user('+time');
      await untilReady(shared);
      await memory(1);
      await assert.rejects(shared.complete('g', sealedOrder(1), ['a'], true), {
        code: 'POSTERN_E_CLUSTER',
        message: /Redis says: .*OOM/,
      });
      await memory(0);
      assert.deepEqual(await shared.claimed(['a']), [false]);
      assert.deepEqual([await bench.entries(), await bench.entries('once')], [[], []]);
      assert.equal(log.entries.length, 1);
    } finally {
      await user('+@all');
      await memory(0);
    }
  });

  async function accepts(shared: SharedRedis): Promise<boolean> {
    const publishing = shared.publish(sealedOrder(2), false);
    return publishing.then(
      () => true,
      () => false,
    );
  }

  it('holds nothing under other names than its cluster', async () => {
    const shared = await bench.ready();
    await shared.complete('g', sealedOrder(1), ['a'], true);
    await shared.take('g');
    await shared.beat('x');
    await shared.forward(undefined, [{ id: '1-1', sealed: sealedOrder(1) }]);
    const keys = await bench.raw((redis) => redis.keys(`*${bench.cluster}:*`));
    const names = ['claims', 'heads', 'hosts', 'journal', 'once', 'taken:g'];
    assert.deepEqual(
      keys.sort(),
      names.map((name) => bench.key(name)),
    );
  });
});
