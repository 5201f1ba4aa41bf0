import assert from 'node:assert/strict';
import { randomFrom } from '../../capture/random.js';
import { poll } from '../../support/poll.js';
import { Bench, type HonestKnock } from './bench.js';
import { oneTimeDoor, sequences, textOf } from './doors.js';
import type { BenchHost } from './host.js';
import { evilSource } from './mutations.js';

const RACES = Number(process.env['CLUSTER_RACES'] ?? 50);
const REPLAYS = Number(process.env['CLUSTER_REPLAYS'] ?? 100);
const SEED = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 1_000_000_007);
/** So many sequences a door has: each time, what is left of them is asked for. */
const OF_A_DOOR = 100;
const RESTART_EVERY = 25;

describe(`one-time sequences of a cluster (T4; HOSTILE_SEED=${SEED})`, function () {
  this.timeout(60_000 + 200 * (RACES + REPLAYS));
  const random = randomFrom(SEED);
  let bench: Bench;
  before(async () => {
    const names = Array.from({ length: Math.ceil(RACES / OF_A_DOOR) }, (_, n) => `race${n}`);
    const doors = [...names, 'replayed'].map((name) => [name, oneTimeDoor(name, 'here')] as const);
    const files = doors.map(([name], n) => [`${name}.sequences`, text(n)] as const);
    bench = await Bench.make({
      doors: Object.fromEntries(doors),
      files: Object.fromEntries(files),
    });
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(bench.logs());
  });
  after(() => bench.dispose());

  it(`open once when one is sent ${REPLAYS} times more, to all hosts, across restarts`, async () => {
    const [first] = bench.hosts;
    const completion = first?.completion('replayed', '192.0.2.1');
    const match = first?.listening('replayed');
    assert.ok(first && completion && match);
    const used = JSON.stringify(match.knocks);
    const knock = await bench.knock(first, 'replayed');
    await bench.effective(knock);
    await allHave('replayed', OF_A_DOOR - 1);
    let listened = 0;
    for (let n = 1; n <= REPLAYS; n += 1) {
      const host = random.pick(bench.hosts);
      if (n % RESTART_EVERY === 0) await restart(host, random.chance(2));
      if (JSON.stringify(host.listening('replayed')?.knocks) === used) listened += 1;
      await host.knock('replayed', evilSource(random), match);
      // As if it had been knocked before the host heard of its use.
      const result = await host.complete({ ...completion, source: evilSource(random) });
      assert.equal(result.kind, 'spent');
    }
    assert.equal(listened, 0);
    assert.deepEqual(bench.faults(), []);
    assert.equal(bench.executions.length, 1);
    for (const host of bench.hosts) assert.equal(await host.marked('replayed.sequences'), 1);
  });

  it(`have one winner each when two hosts complete one at the same time, ${RACES} times`, async () => {
    for (let n = 0; n < RACES; n += 1) {
      const door = `race${Math.floor(n / OF_A_DOOR)}`;
      const left = OF_A_DOOR - (n % OF_A_DOOR);
      await allHave(door, left);
      const hosts = bench.hosts.filter((_, index) => index !== n % bench.hosts.length);
      const knocks = await Promise.all(hosts.map((host) => race(host, door)));
      const kinds = knocks.map(({ result }) => result?.kind).sort();
      assert.deepEqual(kinds, ['opening', 'spent'], `seed ${SEED}, race ${n}`);
      for (const knock of knocks)
        if (knock.result?.kind === 'opening') await bench.effective(knock);
    }
    const races = bench.executions.filter(({ door }) => door.startsWith('race'));
    assert.equal(races.length, RACES);
    assert.deepEqual(bench.faults(), []);
    for (let n = 0; n < RACES; n += OF_A_DOOR) {
      const door = `race${n / OF_A_DOOR}`;
      const used = Math.min(OF_A_DOOR, RACES - n);
      await allHave(door, OF_A_DOOR - used);
      for (const host of bench.hosts) {
        const isMarked = async () => (await host.marked(`${door}.sequences`)) === used;
        await poll(isMarked, `${host.name} has marked ${door}`);
      }
    }
  });

  const text = (n: number) => textOf(sequences(12_011 + 1000 * n, OF_A_DOOR));

  async function race(host: BenchHost, door: string): Promise<HonestKnock> {
    const knock = bench.expect(host.name, door, bench.newSource());
    knock.result = await host.knock(door, knock.source);
    return knock;
  }

  /** Every host listens for the next. */
  async function allHave(door: string, left: number): Promise<void> {
    for (const host of bench.hosts) {
      await poll(() => host.left(door) === left, `${host.name} has ${left} left of ${door}`);
    }
  }

  /** With its file as it was at first, or as it is. */
  async function restart(host: BenchHost, isRestored: boolean): Promise<void> {
    await host.stop();
    if (isRestored) await host.write('replayed.sequences', text(Math.ceil(RACES / OF_A_DOOR)));
    await host.start();
    await bench.joined();
  }
});
