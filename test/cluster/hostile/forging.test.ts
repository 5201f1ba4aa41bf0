import assert from 'node:assert/strict';
import { newClusterKey } from '../../../src/cluster/keys.js';
import { type Random, randomFrom } from '../../capture/random.js';
import { type Attack, FORGERIES, REPLAYS, type Stage, TAMPERINGS } from './attacks.js';
import { Bench, type HonestKnock } from './bench.js';
import { AMNESIA, BLOWS, LOCAL } from './blows.js';
import { DOORS, FILES, SEQUENCES } from './doors.js';
import { dump, portsIn } from './dump.js';
import { signed } from './mutations.js';

const CASES = Number(process.env['HOSTILE_CASES'] ?? 600);
const SEED = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 1_000_000_007);
/** So many are tried before it is looked what became of them. */
const BATCH = 50;
/** Of the cases, so many are blows. */
const BLOW_EVERY = 80;

const HARMLESS = [...FORGERIES, ...REPLAYS, ...TAMPERINGS, ...LOCAL];

describe(`a shared Redis that forges, replays and forgets (T5; HOSTILE_SEED=${SEED})`, () => {
  let bench: Bench;
  let stage: Stage;
  const random = randomFrom(SEED);
  const counts = new Map<string, number>();

  before(async function () {
    this.timeout(60_000);
    bench = await Bench.make({ doors: DOORS, files: FILES });
    stage = await beginning(bench, random);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(bench.logs());
  });
  after(function () {
    this.timeout(20_000);
    return bench.dispose();
  });

  it(`${CASES} times executes nothing but honest knocks, each once a host`, async function () {
    this.timeout(120_000 + CASES * 120);
    const lateFrom = Math.floor(CASES * 0.9);
    for (let done = 0; done < CASES; done += BATCH) {
      const isLate = done >= lateFrom;
      await batch(Math.min(BATCH, CASES - done), isLate);
      assert.deepEqual(bench.faults(), [], `seed ${SEED}, after ${done} cases`);
    }
    const { executions, knocks } = bench;
    const rejected = bench.hosts.map((host) => host.rejected);
    const told = { seed: SEED, cases: Object.fromEntries(counts), rejected };
    const honest = { knocks: knocks.length, executions: executions.length };
    const doubles = bench.doubles().length;
    process.stderr.write(`${JSON.stringify({ ...told, honest, doubles })}\n`);
    assert.ok(rejected.every((count) => count > CASES / 4));
  });

  it('leaves no port of a sequence in any key of any Redis', async function () {
    this.timeout(60_000);
    const [sequence = []] = SEQUENCES;
    assert.notDeepEqual(portsIn(`{"x":"a${sequence.join('-')}b"}`, SEQUENCES), []);
    assert.notDeepEqual(portsIn(`{"x":${sequence[1]}}`, SEQUENCES), []);
    const servers = [bench.attacker.redis, ...bench.hosts.map(({ admin }) => admin)];
    for (const redis of servers) {
      const text = await dump(redis);
      assert.ok(text.includes('everywhere') || text.includes('Completed'), 'something is there');
      assert.deepEqual(portsIn(text, SEQUENCES), []);
    }
  });

  /** Some cases, some honest knocks meanwhile; then everything has come to rest. */
  async function batch(count: number, isLate: boolean): Promise<void> {
    const isHarmful = random.chance(3);
    const attacks = isHarmful
      ? [...HARMLESS, ...LOCAL]
      : HARMLESS.filter((each) => !each.isHarmful);
    const knocks = isHarmful ? [] : knockAround();
    for (let n = 0; n < count; n += 1) {
      const isBlow = isHarmful && random.chance(Math.ceil(BLOW_EVERY / 3));
      await attempt(weighted(isBlow ? (isLate ? AMNESIA : BLOWS) : attacks));
    }
    if (isHarmful) await rest();
    for (const knock of await Promise.all(knocks)) await bench.effective(knock);
    await rest();
    await bench.attacker.look();
  }

  async function attempt(attack: Attack): Promise<void> {
    counts.set(attack.name, (counts.get(attack.name) ?? 0) + 1);
    await attack.run(stage);
  }

  function weighted(attacks: readonly Attack[]): Attack {
    return random.pick(attacks.flatMap((attack) => Array<Attack>(attack.weight).fill(attack)));
  }

  /** Knocks that nothing keeps from having their effect, each at a door of its own. */
  function knockAround(): Promise<HonestKnock>[] {
    const doors = Object.keys(DOORS);
    return Array.from({ length: 4 }, () => {
      const [door = ''] = doors.splice(random.below(doors.length), 1);
      return bench.knock(random.pick(bench.hosts), door);
    });
  }

  /** Every host follows the cluster journal again, and has acted on all that was there. */
  async function rest(): Promise<void> {
    await bench.together();
    await fence(stage);
  }
});

/** A cluster that has replaced its key, with a past that an attacker has seen. */
async function beginning(bench: Bench, random: Random): Promise<Stage> {
  const [former] = bench.keys;
  assert.ok(former);
  for (const door of Object.keys(DOORS)) {
    for (const host of bench.hosts) await bench.effective(await bench.knock(host, door));
  }
  await bench.attacker.look();
  // Signs of life that verified under the former key.
  await bench.together();
  const next = newClusterKey();
  for (const keys of [[former, next], [next, former], [next]]) {
    for (const host of bench.hosts) await host.writeKeys(keys);
    bench.keys = keys;
  }
  const stage = { bench, random, formerKey: former };
  for (const door of Object.keys(DOORS)) await bench.knock(random.pick(bench.hosts), door);
  await fence(stage);
  await bench.attacker.look();
  return stage;
}

/** A knock at a host that is not of the bench: all who follow the journal have come so far. */
async function fence({ bench }: Stage): Promise<void> {
  const source = bench.newSource();
  const knock = bench.expect('ghost', 'all', source);
  const atMs = Date.now();
  const order = { type: 'Completed', door: 'all', source, runOn: 'everywhere', claims: [] };
  const body = { ...order, grant: `ghost-${atMs}-${bench.knocks.length}` };
  const [key] = bench.keys;
  assert.ok(key);
  const fields = signed({ kind: 'order', host: 'ghost', atMs, body }, { key, cluster: 'edge' });
  await bench.attacker.inject('journal', fields);
  await bench.effective(knock);
}
