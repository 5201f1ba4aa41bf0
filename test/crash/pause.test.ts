import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, randomFrom } from '../capture/random.js';
import { requireRoot } from '../support/root.js';
import { COMMAND_DOORS, KERNEL_DOORS, RULE_DOOR } from './doors.js';
import { CrashHost } from './host.js';
import { finish, SOURCES } from './run.js';

const PAUSES = Number(process.env['CRASH_PAUSES'] ?? 5);
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000_007);
/** Paused side by side: each pause takes longer than the lock of a job, 5 s. */
const HOSTS = 5;
const PAUSE_MS = { least: 5300, spread: 1500 };
/** From the knock to the pause: before, while and after a door is open. */
const LIFE_MS = 2500;

describe(`a core that is stopped past its lock and goes on (T11; CRASH_SEED=${SEED})`, () => {
  const hosts: CrashHost[] = [];
  before(function () {
    requireRoot(this);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      for (const host of hosts) process.stderr.write(`${host.logs}${host.postern.logs}`);
    }
    await Promise.all(hosts.splice(0).map((host) => host.dispose()));
  });

  it(`${PAUSES} times: each start and stop runs once, and no rule is left`, async function () {
    this.timeout(60_000 + PAUSES * 4000);
    const random = randomFrom(SEED);
    const doors = [...COMMAND_DOORS, ...KERNEL_DOORS, RULE_DOOR];
    for (let each = 0; each < HOSTS; each += 1) {
      hosts.push(await CrashHost.make({ doors, sources: SOURCES }));
    }
    await Promise.all(hosts.map((host) => host.start()));
    const before = await Promise.all(hosts.map(rules));
    for (let done = 0; done < PAUSES; done += HOSTS) {
      await Promise.all(hosts.map((host) => pauseOnce(host, random)));
    }
    const verdicts = await Promise.all(hosts.map((host) => finish(host)));
    process.stderr.write(`${JSON.stringify({ seed: SEED, verdicts })}\n`);
    assert.deepEqual(
      verdicts.flatMap(({ faults }) => faults),
      [],
    );
    assert.deepEqual(
      hosts.flatMap(({ strays }) => strays),
      [],
    );
    assert.deepEqual(await Promise.all(hosts.map(rules)), before);
    const openings = verdicts.reduce((sum, { grants }) => sum + grants, 0);
    assert.ok(openings >= PAUSES * doors.length, 'doors lived through the pauses');
    for (const host of hosts) {
      const [starts, stops] = [await host.starts(), await host.stops()];
      assert.deepEqual(starts.toSorted(), stops.toSorted(), 'each grant stopped once');
    }
  });
});

async function pauseOnce(host: CrashHost, random: Random): Promise<void> {
  const [lifeMs, pauseMs] = [random.below(LIFE_MS), random.below(PAUSE_MS.spread)];
  const first = random.below(SOURCES.length);
  for (const [index, door] of host.doors.entries()) {
    // Each of its own source: hits at two doors at a time would spoil both attempts (M6).
    const source = SOURCES[(first + index) % SOURCES.length] ?? '';
    void host.client.knock(source, door.sequence);
  }
  await sleep(lifeMs);
  await host.pause(PAUSE_MS.least + pauseMs);
}

function rules({ network }: CrashHost): Promise<string> {
  return network.must('server', ['nft', '-s', 'list', 'ruleset']);
}
