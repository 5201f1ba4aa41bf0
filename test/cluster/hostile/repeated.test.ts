import assert from 'node:assert/strict';
import { randomFrom } from '../../capture/random.js';
import { poll } from '../../support/poll.js';
import { Bench, CLUSTER } from './bench.js';
import { DOORS, FILES } from './doors.js';
import { evilSource, signed } from './mutations.js';

const REPETITIONS = 3000;

describe('what is added to the shared Redis, over and over (T5)', function () {
  this.timeout(60_000);
  let bench: Bench;
  before(async () => {
    bench = await Bench.make({ doors: DOORS, files: FILES });
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(bench.logs());
  });
  after(() => bench.dispose());

  const someHost = () => {
    const [host] = bench.hosts;
    assert.ok(host);
    return host;
  };
  const sealed = (body: object, atMs = Date.now()) => {
    const [key] = bench.keys;
    assert.ok(key);
    return signed({ kind: 'order', host: 'ghost', atMs, body }, { key, cluster: CLUSTER });
  };
  const order = (changes: object) => ({
    ...{ type: 'Completed', grant: `ghost-${Date.now()}-1`, source: evilSource(randomFrom(1)) },
    ...{ claims: [], ...changes },
  });
  const repeat = async (stream: 'journal' | 'once', fields: readonly string[]) => {
    const pipeline = bench.attacker.redis.pipeline();
    const key = bench.attacker.key(stream);
    for (let n = 0; n < REPETITIONS; n += 1) pipeline.xadd(key, '*', ...fields);
    await pipeline.exec();
  };
  const said = (pattern: RegExp) =>
    bench
      .logs()
      .split('\n')
      .filter((line) => pattern.test(line));
  const queueIsEmpty = () =>
    poll(
      async () => (await bench.attacker.redis.xlen(bench.attacker.key('once'))) === 0,
      'the queue is done with',
      20_000,
    );

  it('keeps no one-time door from going on', async () => {
    const { attacker } = bench;
    await bench.effective(await bench.knock(someHost(), 'single'));
    await attacker.look();
    const used = attacker.orders.at(-1);
    assert.ok(used);
    assert.match(used.fields[11] ?? '', /"single"/);
    await repeat('journal', used.fields);
    const begunMs = performance.now();
    for (const host of bench.hosts) await bench.effective(await bench.knock(host, 'single'));
    const tookMs = performance.now() - begunMs;
    assert.ok(tookMs < 3000, `${tookMs} ms`);
    assert.deepEqual(bench.faults(), []);
  });

  it('is not told the operator each time', async () => {
    const late = sealed(order({ door: 'one', runOn: 'once' }), Date.now() - 400_000);
    await repeat('once', late);
    await queueIsEmpty();
    const ahead = sealed(order({ door: 'all', runOn: 'everywhere' }), Date.now() + 400_000);
    const rejected = bench.hosts.map((host) => host.rejected);
    await repeat('journal', ahead);
    for (const [index, host] of bench.hosts.entries()) {
      const isRead = () => host.rejected >= (rejected[index] ?? 0) + REPETITIONS;
      await poll(isRead, 'read', 20_000);
    }
    assert.ok(said(/no host could act on it in time/).length <= bench.hosts.length);
    assert.equal(said(/clock of that host is ahead/).length, bench.hosts.length);
    assert.ok(said(/a message of the cluster was dropped/).length < 20 * bench.hosts.length);
    assert.deepEqual(bench.faults(), []);
  });

  it('is not run from the queue where it belongs into the journal, nor before it is confirmed', async () => {
    const wrong = [
      order({ door: 'one', runOn: 'once', pending: true }),
      order({ door: 'one', runOn: 'everywhere' }),
      order({ door: 'all', runOn: 'everywhere' }),
      { type: 'Revoked', door: 'one', source: '192.0.2.1' },
    ];
    for (const each of wrong) await bench.attacker.inject('once', sealed(each));
    await queueIsEmpty();
    assert.deepEqual(bench.faults(), []);
  });

  it('brings back no used sequence to a host that remembers it, whatever the shared Redis forgot', async () => {
    const { attacker } = bench;
    for (const host of bench.hosts) {
      const completion = host.completion('mine', bench.newSource());
      assert.ok(completion);
      await bench.effective(await bench.knock(host, 'mine'));
      await attacker.redis.del(attacker.key('claims'), attacker.key('journal'));
      const again = { ...completion, source: evilSource(randomFrom(2)) };
      for (const each of bench.hosts) {
        const { kind } = await each.complete(again);
        assert.equal(kind, 'spent');
      }
    }
    assert.deepEqual(bench.faults(), []);
  });

  it('keeps no host from the cluster when all signs of life are replaced by a forged one', async () => {
    const { redis } = bench.attacker;
    await bench.together();
    await redis.multi().flushall().hset(bench.attacker.key('hosts'), 'evil', 'x').exec();
    await poll(() => said(/"host":"evil"/).length >= bench.hosts.length, 'each has seen it');
    await bench.together();
    await bench.effective(await bench.knock(someHost(), 'all'));
    assert.deepEqual(said(/TAKES NO PART/), []);
  });
});
