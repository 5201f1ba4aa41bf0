import assert from 'node:assert/strict';
import { poll } from '../../support/poll.js';
import { Bench, type HonestKnock } from './bench.js';
import { DOORS } from './doors.js';

const CASES = Number(process.env['HOSTILE_ONCE'] ?? 20);

describe('what one host acts on, in a shared Redis that gives it to others too (T5)', function () {
  this.timeout(60_000 + CASES * 500);
  let bench: Bench;
  before(async () => {
    const { one } = DOORS;
    assert.ok(one);
    bench = await Bench.make({ doors: { one } });
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(bench.logs());
  });
  after(() => bench.dispose());

  const journal = () => bench.attacker.redis.xrange(bench.attacker.key('journal'), '-', '+');
  /** The order of a knock, as it stands in the cluster journal. */
  const orderOf = async ({ source }: HonestKnock) => {
    const found = (await journal()).find(
      ([, fields]) => fields[3] === 'order' && fields[11]?.includes(`"${source}"`),
    );
    return found?.[1];
  };
  /** Forgets who acts on what, and gives an order to every host. */
  const giveToAll = async (fields: readonly string[]) => {
    const { attacker, hosts } = bench;
    for (const _ of hosts) {
      const taken = await attacker.redis.keys(attacker.key('taken:*'));
      if (taken.length > 0) await attacker.redis.del(...taken);
      await attacker.inject('once', fields);
    }
  };
  /** Every host has done what it does about the queue. */
  const queueIsEmpty = async () => {
    const { redis } = bench.attacker;
    const isDone = async () => (await redis.xlen(bench.attacker.key('once'))) === 0;
    await poll(isDone, 'the queue is done with', 10_000);
  };

  it(`is not done again once it was reported, ${CASES} times`, async () => {
    for (let n = 0; n < CASES; n += 1) {
      const host = bench.hosts[n % bench.hosts.length];
      assert.ok(host);
      const knock = await bench.knock(host, 'one');
      await bench.effective(knock);
      const order = await poll(() => orderOf(knock), 'its order');
      const grant = bench.executions.find(({ source }) => source === knock.source)?.grant;
      const isReported = async () =>
        (await journal()).some(([, f]) => f[3] === 'report' && f[11]?.includes(`"${grant}"`));
      await poll(isReported, 'its report');
      await othersRead();
      if (n % 5 === 4) await restartAnother(n);
      await giveToAll(order);
      await queueIsEmpty();
    }
    assert.deepEqual(bench.faults(), []);
    assert.equal(bench.doubles().length, 0);
  });

  it(`may be done by another host in the moment before, but once by each, ${CASES} times`, async () => {
    const { redis } = bench.attacker;
    const from = bench.knocks.length;
    for (let n = 0; n < CASES; n += 1) {
      const host = bench.hosts[n % bench.hosts.length];
      assert.ok(host);
      const [last] = await redis.xrevrange(bench.attacker.key('journal'), '+', '-', 'COUNT', 1);
      const knocked = bench.knock(host, 'one');
      // As quickly as the order can be seen.
      const order = await poll(() => newOrder(last?.[0] ?? '0-0'), 'an order');
      await giveToAll(order);
      await bench.effective(await knocked);
      await queueIsEmpty();
    }
    assert.deepEqual(bench.faults(), []);
    const hosts = bench.knocks.slice(from).map((knock) => bench.ranOn(knock).length);
    const told = {
      knocks: hosts.length,
      doubles: bench.doubles().length,
      most: Math.max(...hosts),
    };
    process.stderr.write(`${JSON.stringify(told)}\n`);
  });

  /** Whatever stands in the cluster journal by now was read by every host. */
  async function othersRead(): Promise<void> {
    const before = bench.hosts.map(({ rejected }) => rejected);
    await bench.attacker.inject('journal', ['x', 'y']);
    for (const [index, host] of bench.hosts.entries()) {
      await poll(() => host.rejected > (before[index] ?? 0), `${host.name} has read it`);
    }
  }

  async function newOrder(after: string): Promise<string[] | undefined> {
    const { redis } = bench.attacker;
    const entries = await redis.xrange(bench.attacker.key('journal'), `(${after}`, '+');
    return entries.find(([, fields]) => fields[3] === 'order')?.[1];
  }

  async function restartAnother(n: number): Promise<void> {
    const host = bench.hosts[n % bench.hosts.length];
    await host?.stop();
    await host?.start();
    await bench.joined();
  }
});
