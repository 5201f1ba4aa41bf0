import assert from 'node:assert/strict';
import type { OnceEntry, SharedRedis } from '../../../src/cluster/types.js';
import { poll } from '../../support/poll.js';
import { recordingLog } from '../../support/recording-log.js';
import { first, range, SharedBench, sealedOrder, untilReady } from './support.js';

describe('the queue of doors that one host acts on', () => {
  const bench = new SharedBench();
  let stop: AbortController;
  before(() => bench.start());
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await bench.next();
  });
  after(() => bench.stop());

  it('delivers each entry to one host, also what came before anybody asked', async () => {
    const hosts = await Promise.all(range(3).map((index) => bench.ready({ host: `h${index}` })));
    await publish(hosts[0]!, range(50));
    const taken = hosts.map((shared) => collect(shared, true));
    await publish(hosts[1]!, range(100).slice(50));
    await poll(() => taken.flat().length === 100, 'all of them');
    const numbers = taken.flat().map(({ fields }) => fields.join());
    assert.equal(new Set(numbers).size, 100);
    assert.ok(taken.flat().every(({ deliveries }) => deliveries === 1));
    await poll(async () => (await bench.entries('once')).length === 0, 'it is empty');
    assert.equal(await pending(), 0);
  });

  it('delivers to another what a host did not finish within 3 s, and says so', async () => {
    const [alpha, beta] = await Promise.all([bench.ready(), bench.ready({ host: 'beta' })]);
    const dead = collect(alpha, false);
    await poll(() => isMade(), 'the group is there');
    await publish(alpha, [1]);
    await poll(() => dead.length === 1, 'it is delivered');
    const since = performance.now();
    await alpha.close();
    const living = collect(beta, true);
    await poll(() => living.length === 1, 'it is taken over', 6000);
    const afterMs = performance.now() - since;
    assert.ok(afterMs > 2900 && afterMs < 5200, `after ${afterMs} ms`);
    assert.equal(living[0]!.deliveries, 2);
    assert.deepEqual(living[0]!.fields, sealedOrder(1));
    await poll(async () => (await pending()) === 0, 'it is finished');
  }).timeout(15_000);

  it('delivers again to a host what it had before it started anew', async () => {
    const before = await bench.ready();
    const dead = collect(before, false);
    await poll(() => isMade(), 'the group is there');
    await publish(before, [1, 2]);
    await poll(() => dead.length === 2, 'they are delivered');
    await before.close();
    await age();
    const again = collect(await bench.ready(), true);
    await poll(() => again.length === 2, 'they are delivered again');
    assert.deepEqual(
      again.map(({ deliveries }) => deliveries),
      [2, 2],
    );
  }).timeout(15_000);

  it('reads no more than 32 entries ahead of who takes them', async () => {
    const shared = await bench.ready();
    const entries = shared.once(stop.signal)[Symbol.asyncIterator]();
    await publish(shared, range(100));
    for (const index of range(40)) {
      const { value } = await entries.next();
      assert.ok(value);
      const delivered = await pending();
      assert.ok(delivered <= index + 32, `${delivered} delivered at the ${index}th`);
    }
  });

  it('goes on after FLUSHALL, and when the group alone is gone', async () => {
    const log = recordingLog();
    const shared = await bench.ready({ log });
    const taken = collect(shared, true);
    await publish(shared, [1]);
    await poll(() => taken.length === 1, 'the first');
    await bench.raw((redis) => redis.flushall());
    await publish(shared, [2]);
    await poll(() => taken.length === 2, 'the second');
    await bench.raw((redis) => redis.xgroup('DESTROY', bench.key('once'), 'hosts'));
    await publish(shared, [3]);
    await poll(() => taken.length === 3, 'the third');
    assert.deepEqual(
      log.entries.filter(({ level }) => level !== 'debug'),
      [],
    );
  });

  it('goes on after a kill of Redis', async () => {
    const shared = await bench.ready();
    const taken = collect(shared, true);
    await publish(shared, [1]);
    await poll(() => taken.length === 1, 'the first');
    process.kill(bench.server.pid ?? 0, 'SIGKILL');
    await poll(() => !shared.isReady, 'it is lost');
    await untilReady(shared);
    await publish(shared, [2]);
    await poll(() => taken.length >= 2, 'the second');
  });

  it('forgets pending entries that were deleted, and gives the others', async () => {
    const [alpha, beta] = await Promise.all([bench.ready(), bench.ready({ host: 'beta' })]);
    const dead = collect(alpha, false);
    await poll(() => isMade(), 'the group is there');
    await publish(alpha, [1, 2]);
    await poll(() => dead.length === 2, 'they are delivered');
    await alpha.close();
    await age();
    await bench.raw((redis) => redis.xdel(bench.key('once'), dead[0]!.streamId));
    const living = collect(beta, true);
    await poll(() => living.length === 1, 'the other one');
    assert.deepEqual(living[0]!.fields, sealedOrder(2));
    await poll(async () => (await pending()) === 0, 'nothing is pending');
  }).timeout(15_000);

  it('gives the backlog of a dead host to another in one go', async () => {
    const [alpha, beta] = await Promise.all([bench.ready(), bench.ready({ host: 'beta' })]);
    await publish(alpha, range(100));
    await first(100, alpha.once(stop.signal));
    await alpha.close();
    await age();
    const living = collect(beta, true);
    await poll(() => living.length > 0, 'the first');
    const since = performance.now();
    await poll(() => living.length === 100, 'all of them', 6000);
    assert.ok(performance.now() - since < 900);
  }).timeout(15_000);

  /** What has come so far. */
  function collect(shared: SharedRedis, finish: boolean): OnceEntry[] {
    const found: OnceEntry[] = [];
    void (async () => {
      for await (const entry of shared.once(stop.signal)) {
        found.push(entry);
        if (finish) await shared.finish(entry).catch(() => undefined);
      }
    })();
    return found;
  }

  async function publish(shared: SharedRedis, values: readonly number[]): Promise<void> {
    await Promise.all(values.map((index) => shared.publish(sealedOrder(index), true)));
  }

  /** As if what is pending had been so for 4 s. */
  function age(): Promise<void> {
    const key = bench.key('once');
    return bench.raw(async (redis) => {
      for (const entry of await redis.xpending(key, 'hosts', '-', '+', 1000)) {
        const [id, consumer] = Array.isArray(entry) ? entry.map(String) : [];
        await redis.xclaim(key, 'hosts', consumer!, 0, id!, 'IDLE', 4000, 'JUSTID');
      }
    });
  }

  function isMade(): Promise<boolean> {
    return bench.raw(async (redis) => (await redis.exists(bench.key('once'))) === 1);
  }

  function pending(): Promise<number> {
    return bench.raw(async (redis) => {
      const [count] = await redis.xpending(bench.key('once'), 'hosts');
      return Number(count);
    });
  }
});
