import assert from 'node:assert/strict';
import { STEPS } from '../../src/jobs/steps.js';
import { eventually } from '../support/eventually.js';
import { requireRoot } from '../support/root.js';
import { COMMAND_DOORS, FAILING_DOORS, KERNEL_DOORS } from './doors.js';
import { CrashHost } from './host.js';
import { finish, SOURCES } from './run.js';

const FULL = Number(process.env['CRASH_KILLS'] ?? 20) > 20;
/** At the first time a step is reached; in the full run at the second and third time too. */
const TIMES = FULL ? [1, 2, 3] : [1];
const KNOCK_EVERY_MS = 400;
/** A job opens only what had to wait for an older grant to close, which is rare here. */
const REACHED = STEPS.filter((step) => step !== 'open-job');

/**
 * T10. Postern kills itself just after a step, is started again to kill itself after the next one,
 * be it in its recovery, and so through all of them; then all must fit together.
 */
describe('kill -9 just after every durable step of a grant (T10)', () => {
  const hosts: CrashHost[] = [];
  before(function () {
    requireRoot(this);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      for (const host of hosts) process.stderr.write(host.logs);
    }
    await Promise.all(hosts.splice(0).map((host) => host.dispose()));
  });

  it('leaves no door open, no start unrecorded or repeated, and no orphan', async function () {
    this.timeout(60_000 + TIMES.length * REACHED.length * 6000);
    const stops = REACHED.flatMap((step) => TIMES.map((time) => `${step}#${time}`));
    const middle = Math.ceil(stops.length / 2);
    const shares = [stops.slice(0, middle), stops.slice(middle)];
    const doors = [...COMMAND_DOORS, ...FAILING_DOORS, ...KERNEL_DOORS];
    const verdicts = await Promise.all(
      shares.map(async (share) => {
        const host = await CrashHost.make({ doors, sources: SOURCES });
        hosts.push(host);
        await host.start();
        await host.killCore();
        for (const stop of share) await crashAt(stop, host);
        await host.restart();
        return finish(host);
      }),
    );
    process.stderr.write(`${JSON.stringify(verdicts)}\n`);
    for (const { openings } of verdicts)
      assert.ok(openings > 5 * stops.length, 'doors were seen open');
    assert.deepEqual(
      verdicts.flatMap(({ faults }) => faults),
      [],
    );
    assert.deepEqual(
      hosts.flatMap(({ strays }) => strays),
      [],
    );
  });
});

/** Starts postern and lets doors live until it reaches the step. */
async function crashAt(stop: string, host: CrashHost): Promise<void> {
  const { program } = await host.begin({ POSTERN_TEST_STOP_AT: stop });
  let family: number[] = [];
  let knocks = 0;
  const hasListened = () => /^listening on /m.test(program.logs);
  await eventually(
    `the end at ${stop}`,
    async () => {
      if (!program.running) return true;
      family = host.familyOf(/redis-server|sensor/);
      if (hasListened() && knocks < 60) {
        knocks += 1;
        await knockSomewhere(host, knocks);
      }
      return !program.running;
    },
    { withinMs: 20_000, everyMs: KNOCK_EVERY_MS },
  );
  await host.gone(family);
}

/** Each door in turn, twice each, so that it is extended. */
async function knockSomewhere({ client, doors }: CrashHost, count: number): Promise<void> {
  const turn = Math.floor(count / 2);
  const door = doors[turn % doors.length];
  const source = SOURCES[turn % SOURCES.length];
  if (door !== undefined && source !== undefined) await client.knock(source, door.sequence);
}
