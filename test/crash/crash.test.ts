import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, randomFrom } from '../capture/random.js';
import { requireRoot } from '../support/root.js';
import { COMMAND_DOORS, KERNEL_DOORS } from './doors.js';
import { CrashHost } from './host.js';
import { kill, TARGETS } from './kills.js';
import { finish, SOURCES } from './run.js';

const KILLS = Number(process.env['CRASH_KILLS'] ?? 20);
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000_007);
/** From a knock to the next round's kill: a door's whole life is a little longer. */
const LIFE_MS = 2200;
/** From one knock of a source to its next, so that many doors are open then. */
const AGAIN_MS = 800;

/**
 * T10. Everything that can be killed is killed at random moments of doors' lives, over and over, on
 * one state folder; then the journal, the commands' own records and the connections that another
 * host could make all the while must fit together.
 */
describe(`kill -9 at any moment (T10; CRASH_SEED=${SEED})`, () => {
  let host: CrashHost | undefined;
  before(function () {
    requireRoot(this);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(host?.logs ?? '');
    await host?.dispose();
  });

  it(`${KILLS} kills leave no door open, no start unrecorded or repeated, and no orphan`, async function () {
    this.timeout(60_000 + KILLS * 8000);
    const random = randomFrom(SEED);
    const doors = [...COMMAND_DOORS, ...KERNEL_DOORS];
    host = await CrashHost.make({ doors, sources: SOURCES });
    await host.start();
    const killed: Record<string, number> = {};
    for (let kills = 0; kills < KILLS; ) {
      void knock(host, random);
      if (random.chance(2)) void knock(host, random);
      await sleep(random.below(LIFE_MS));
      const target = random.pick(TARGETS);
      if (!(await kill(target, host, random))) continue;
      killed[target] = (killed[target] ?? 0) + 1;
      kills += 1;
    }
    const { faults, ...figures } = await finish(host);
    process.stderr.write(`${JSON.stringify({ seed: SEED, killed, ...figures })}\n`);
    assert.deepEqual(faults, []);
    assert.deepEqual(host.strays, []);
    assert.ok(figures.grants >= KILLS / 2, 'doors were opened all the while');
  });
});

/** One source at one door, sometimes twice: more time for it (G2), or a knock too early or late. */
async function knock({ client, doors }: CrashHost, random: Random): Promise<void> {
  const source = random.pick(SOURCES);
  const { sequence } = random.pick(doors);
  const pauseMs = random.chance(2) ? random.below(AGAIN_MS) : undefined;
  await client.knock(source, sequence);
  if (pauseMs === undefined) return;
  await sleep(pauseMs);
  await client.knock(source, sequence);
}
