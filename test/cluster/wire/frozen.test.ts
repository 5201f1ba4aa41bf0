import assert from 'node:assert/strict';
import type { SharedRedis } from '../../../src/cluster/types.js';
import { poll } from '../../support/poll.js';
import { first, SharedBench, sealedOrder, untilReady } from './support.js';

describe('a shared Redis that is frozen, then goes on', () => {
  const bench = new SharedBench();
  let thaw: () => void;
  before(() => bench.start());
  beforeEach(() => {
    thaw = () => undefined;
  });
  afterEach(async () => {
    thaw();
    await bench.next();
  });
  after(() => bench.stop());

  const changes: Record<string, (shared: SharedRedis) => Promise<unknown>> = {
    complete: (shared) => shared.complete('g', sealedOrder(1), ['a'], true),
    publish: (shared) => shared.publish(sealedOrder(1), true),
    forward: (shared) => shared.forward(undefined, [{ id: '1-1', sealed: sealedOrder(1) }]),
    addClaims: (shared) => shared.addClaims([{ claim: 'a', grant: 'g' }]),
    beat: (shared) => shared.beat('x'),
    take: (shared) => shared.take('g'),
    finish: (shared) => shared.finish({ streamId: '5-5', fields: [], deliveries: 1 }),
    forgetHost: (shared) => shared.forgetHost('beta'),
  };

  it('never does afterwards what was given up meanwhile', async () => {
    for (const redisWait of [0, 1]) {
      const shared = await bench.ready({ redisWait });
      await prepare();
      const before = await state();
      const run = await scriptsRun();
      thaw = bench.freeze();
      const asked = performance.now();
      const outcomes = await Promise.allSettled(
        Object.values(changes).map((change) => change(shared)),
      );
      const tookMs = performance.now() - asked;
      assert.ok(tookMs > 850 && tookMs < 1000, `it took ${tookMs} ms`);
      let sent = outcomes.length;
      for (const [index, outcome] of outcomes.entries()) {
        const name = Object.keys(changes)[index];
        assert.equal(outcome.status, 'rejected', name);
        // Behind a completion whose confirmation was waited for.
        const isUnsent = redisWait > 0 && name === 'take';
        if (isUnsent) sent -= 1;
        const why = isUnsent ? /was not sent/ : /unknown whether it took place/;
        assert.match(String(outcome.reason), why, name);
        assert.equal(outcome.reason.code, 'POSTERN_E_CLUSTER', name);
      }
      await poll(() => performance.now() - asked > 1000, 'the second is over');
      thaw();
      // Redis reads all that lay in its sockets: each script was run, and refused itself.
      await poll(async () => (await scriptsRun()) - run === sent, 'all were run');
      assert.deepEqual(await state(), before);
      await untilReady(shared);
      for (const change of Object.values(changes)) {
        await change(shared).catch(isUnconfirmed);
      }
      assert.notDeepEqual(await state(), before);
      await bench.next();
    }
  });

  it('is noticed within 2 s though nobody asks, and told of again when it is back', async () => {
    const shared = await bench.ready();
    const told: string[] = [];
    shared.onReady(() => told.push('ready'));
    shared.onLost(() => told.push('lost'));
    assert.deepEqual(told, ['ready']);
    thaw = bench.freeze();
    await poll(() => told.length > 1, 'the freeze is noticed', 2200);
    assert.equal(shared.isReady, false);
    const asked = performance.now();
    await assert.rejects(shared.beat('x'), /out of reach/);
    assert.ok(performance.now() - asked < 20);
    thaw();
    await untilReady(shared);
    assert.deepEqual(told, ['ready', 'lost', 'ready']);
  });

  it('keeps nobody from closing', async () => {
    const shared = await bench.ready({ redisWait: 1 });
    const following = first(1, shared.follow(undefined, new AbortController().signal));
    const waiting = first(1, shared.once(new AbortController().signal));
    const reading = first(1, shared.read());
    await reading;
    thaw = bench.freeze();
    const command = assert.rejects(shared.complete('g', sealedOrder(1), [], false), /unknown/);
    const asked = performance.now();
    await shared.close();
    assert.deepEqual([await following, await waiting], [[], []]);
    await command;
    const tookMs = performance.now() - asked;
    assert.ok(tookMs < 100, `it took ${tookMs} ms`);
  });

  it('is found again though it froze while a connection began', async () => {
    thaw = bench.freeze();
    const shared = bench.open();
    await poll(async () => (await silent(shared)) === 'refused', 'it is out of reach');
    thaw();
    await untilReady(shared);
    await shared.beat('x');
  });

  async function silent(shared: SharedRedis): Promise<string> {
    return shared.beat('x').then(
      () => 'taken',
      () => 'refused',
    );
  }

  /** There is no replica here. */
  function isUnconfirmed(error: unknown): void {
    assert.match(String(error), /by 0 of the 1 replicas/);
  }

  /** So that each change would be seen. */
  async function prepare(): Promise<void> {
    await bench.raw(async (redis) => {
      await redis.xadd(bench.key('once'), '5-5', 'x', 'y');
      await redis.hset(bench.key('hosts'), 'beta', 'alive');
    });
  }

  function state(): Promise<unknown> {
    return bench.raw(async (redis) => [
      await redis.xrange(bench.key('journal'), '-', '+'),
      await redis.xrange(bench.key('once'), '-', '+'),
      await redis.hgetall(bench.key('claims')),
      await redis.hgetall(bench.key('heads')),
      await redis.hgetall(bench.key('hosts')),
      await redis.get(bench.key('taken:g')),
    ]);
  }

  async function scriptsRun(): Promise<number> {
    const commands = await bench.raw((redis) => redis.info('commandstats'));
    return Number(/cmdstat_eval:calls=(\d+)/.exec(commands)?.[1] ?? 0);
  }
});
