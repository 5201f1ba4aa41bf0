import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SharedRedis } from '../../../src/cluster/types.js';
import { type Random, randomFrom } from '../../capture/random.js';
import { BadWire } from '../../support/bad-wire.js';
import { range, SharedBench, scale, sealedOrder, untilReady } from './support.js';

const SEED = scale('FORWARD_SEED', Math.floor(Math.random() * 2 ** 31));
const EVENTS = scale('FORWARD_EVENTS', 600);

describe('the shared Redis behind a wire that breaks', () => {
  const bench = new SharedBench();
  let wire: BadWire;
  let socket: string;

  before(() => bench.start());
  beforeEach(async () => {
    wire = new BadWire(bench.server.socket);
    socket = join(bench.server.socket, '..', 'wire.sock');
    await wire.listen(socket);
  });
  afterEach(async () => {
    await bench.next();
    await wire.close();
    await rm(socket, { force: true });
  });
  after(() => bench.stop());

  for (const way of ['request', 'answer'] as const) {
    it(`says that it does not know when the ${way} is lost, and sends nothing again`, async () => {
      const shared = await bench.ready({ target: { socket } });
      wire.loseNext(way);
      await assert.rejects(shared.complete('g', sealedOrder(1), ['a'], true), {
        code: 'POSTERN_E_CLUSTER',
        message: /unknown whether it took place/,
      });
      await untilReady(shared);
      const tookPlace = way === 'answer' ? 1 : 0;
      assert.deepEqual(await shared.claimed(['a']), [tookPlace === 1]);
      assert.equal((await bench.entries()).length, tookPlace);
      // Asked again for the same grant, it is as if it had been answered the first time.
      assert.equal(await shared.complete('g', sealedOrder(1), ['a'], true), 'won');
      assert.equal((await bench.entries()).length, 1);
      assert.equal((await bench.entries('once')).length, 1);
    });
  }

  it('takes reports behind the right head only, and tells the one that is there', async () => {
    const shared = await bench.ready();
    assert.equal(await shared.head(), undefined);
    assert.equal(await shared.forward(undefined, reports(1, 3)), '1-3');
    assert.equal(await shared.forward(undefined, reports(1, 3)), '1-3');
    assert.equal(await shared.forward('1-2', reports(3, 5)), '1-3');
    assert.equal(await shared.forward('1-9', reports(10, 11)), '1-3');
    assert.equal(await shared.forward('1-3', reports(4, 4)), '1-4');
    assert.equal(await shared.forward('1-4', []), '1-4');
    assert.equal(await shared.head(), '1-4');
    assert.deepEqual(
      await numbers(),
      range(4).map((index) => index + 1),
    );
  });

  it('keeps the heads of hosts apart', async () => {
    const [alpha, beta] = await Promise.all([bench.ready(), bench.ready({ host: 'beta' })]);
    await alpha.forward(undefined, reports(1, 250));
    assert.equal(await beta.head(), undefined);
    assert.equal(await beta.forward(undefined, reports(1, 1)), '1-1');
    assert.equal(await alpha.head(), '1-250');
  });

  it(`has ${EVENTS} reports in order, none lost, none twice, however it breaks`, async function () {
    this.timeout(60_000 + EVENTS * 10);
    const random = randomFrom(SEED);
    const shared = await bench.ready({ target: { socket } });
    wire.judge = () => (random.chance(8) ? 'lose' : 'pass');
    let kills = 0;
    await forwardAll(shared, random, (done) => {
      if (done < ((kills + 1) * EVENTS) / 4 || bench.server.pid === undefined) return;
      kills += 1;
      process.kill(bench.server.pid, 'SIGKILL');
    });
    wire.judge = () => 'pass';
    console.log(`      FORWARD_SEED=${SEED}: ${wire.breaks} breaks, ${kills} kills of Redis`);
    assert.ok(wire.breaks > 0 && kills > 0);
    assert.deepEqual(
      await numbers(),
      range(EVENTS).map((index) => index + 1),
    );
  });

  async function forwardAll(
    shared: SharedRedis,
    random: Random,
    onProgress: (done: number) => void,
  ): Promise<void> {
    let head: string | undefined;
    for (;;) {
      await untilReady(shared);
      const done = Number(head?.split('-')[1] ?? 0);
      if (done === EVENTS) return;
      onProgress(done);
      const last = Math.min(EVENTS, done + 1 + random.below(random.chance(5) ? 250 : 20));
      try {
        head = await shared.forward(head, reports(done + 1, last));
      } catch {
        // Both are right: to ask where it stands, and to go on from what one believes.
        if (random.chance(2)) head = await shared.head().catch(() => head);
      }
    }
  }

  function reports(from: number, to: number) {
    return range(to - from + 1).map((index) => ({
      id: `1-${from + index}`,
      sealed: ['n', String(from + index)],
    }));
  }

  async function numbers(): Promise<number[]> {
    return (await bench.entries()).map(([, number]) => Number(number));
  }
});
