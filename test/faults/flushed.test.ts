import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../capture/random.js';
import { COMMAND_DOORS, KERNEL_DOORS } from '../crash/doors.js';
import { CrashHost } from '../crash/host.js';
import { allShut, SOURCES, stillOpens } from '../crash/run.js';
import { LATE_MS } from '../crash/verdict.js';
import { requireRoot } from '../support/root.js';
import { mustRun } from '../support/run.js';

const FLUSHES = Number(process.env['FAULTS_FLUSHES'] ?? 20);
const SEED = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000_007);
/** From a knock to the next deletion: from before a door opens until after it is closed. */
const LIFE_MS = 1800;
/** The longest start command but the late one's, and the machine. */
const OPENING_MS = 1000;
const DOORS = [...COMMAND_DOORS.filter(({ name }) => name !== 'late'), ...KERNEL_DOORS];
const DELETIONS = [
  'everything',
  'everything',
  'the close jobs',
  'the times of the close jobs',
  'the journal',
] as const;

describe(`somebody deletes what Redis holds (T5; FAULTS_SEED=${SEED})`, () => {
  let host: CrashHost;
  before(function () {
    requireRoot(this);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(host.postern.logs);
    await host.dispose();
  });

  it(`${FLUSHES} times: every door closes on time, and each goes on opening`, async function () {
    this.timeout(60_000 + FLUSHES * 3000);
    const random = randomFrom(SEED);
    host = await CrashHost.make({ doors: DOORS, sources: SOURCES });
    await host.start();
    const deleted: Record<string, number> = {};
    const knocks: Knock[] = [];
    for (let done = 0; done < FLUSHES; done += 1) {
      const { port, sequence } = random.pick(host.doors);
      const source = random.pick(SOURCES);
      knocks.push({ source, port, atMs: Date.now() });
      await host.client.knock(source, sequence);
      await sleep(random.below(LIFE_MS));
      const what = random.pick(DELETIONS);
      await deleteIn(host, what);
      deleted[what] = (deleted[what] ?? 0) + 1;
    }
    await allShut(host);
    assert.deepEqual(lateIn(host, knocks), []);
    await stillOpens(host, host.doors);
    await allShut(host);
    const [starts, stops] = [await host.starts(), await host.stops()];
    process.stderr.write(`${JSON.stringify({ seed: SEED, deleted, starts: starts.length })}\n`);
    assert.equal(new Set(starts).size, starts.length, 'no start ran twice');
    assert.deepEqual(
      starts.filter((grant) => !stops.includes(grant)),
      [],
      'each was stopped',
    );
    assert.ok(starts.length >= FLUSHES / 3, 'doors were opened all the while');
    await host.postern.stop('SIGTERM', { keep: true });
  });
});

interface Knock {
  readonly source: string;
  readonly port: number;
  readonly atMs: number;
}

/** Connections that were made although no knock explains them: the journal cannot be asked. */
function lateIn({ client, doors }: CrashHost, knocks: readonly Knock[]): string[] {
  return client.openings.flatMap(({ source, port, fromMs }) => {
    const door = doors.find((each) => each.port === port);
    const allowedMs = (door?.cmdTimeoutMs ?? 0) + OPENING_MS + LATE_MS;
    const last = knocks.findLast(
      (knock) => knock.source === source && knock.port === port && knock.atMs <= fromMs,
    );
    if (last !== undefined && fromMs <= last.atMs + allowedMs) return [];
    return [`${door?.name} for ${source}: open ${fromMs - (last?.atMs ?? 0)} ms after its knock`];
  });
}

async function deleteIn(host: CrashHost, what: (typeof DELETIONS)[number]): Promise<void> {
  const cli = ['redis-cli', '-s', `${host.postern.stateDir}/redis/redis.sock`];
  if (what === 'everything') await mustRun([...cli, 'FLUSHALL']);
  else if (what === 'the journal') await mustRun([...cli, 'DEL', 'postern:journal']);
  else if (what === 'the times of the close jobs') {
    await mustRun([...cli, 'DEL', 'postern:close:delayed', 'postern:close:wait']);
  } else {
    const keys = (await mustRun([...cli, '--raw', 'KEYS', 'postern:close:*'])).split('\n');
    const jobs = keys.filter((key) => key !== '');
    if (jobs.length > 0) await mustRun([...cli, 'DEL', ...jobs]);
  }
}
