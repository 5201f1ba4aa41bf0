import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CrashDoor, commandDoor, KERNEL_DOORS } from '../crash/doors.js';
import { CrashHost } from '../crash/host.js';
import { finish } from '../crash/run.js';
import { makeFolder } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { requireRoot } from '../support/root.js';
import { logLine } from './log.js';

const AWAY_MS = Number(process.env['FAULTS_AWAY_SECONDS'] ?? 10) * 1000;
const SOURCES = [10, 11, 12, 13, 14].map((last) => `192.0.2.${last}`);
const ONCE = [7100, 9100, 8100];
const NEXT = [7101, 9101, 8101];

/** Four doors for five sources: twenty that expire one after another while Redis is away. */
const LASTING: readonly CrashDoor[] = [0.15, 0.35, 0.6, 0.85].map((part, index) =>
  commandDoor(`door${index}`, [7010 + index, 9010 + index, 8010 + index], 2230 + index, {
    cmdTimeout: Math.max(2, Math.round((part * AWAY_MS) / 1000)),
  }),
);
const ONE_TIME: CrashDoor = {
  ...commandDoor('once', ONCE, 2240),
  directives: (folder) => ({
    ...commandDoor('once', ONCE, 2240).directives(folder),
    one_time_sequences: `${folder}/once`,
  }),
};
/** nftables alone: nobody is locked out of it by a Redis that is gone (T14). */
const KERNEL = KERNEL_DOORS[0] as CrashDoor;

describe('Redis is away while twenty doors expire (T12)', () => {
  let host: CrashHost;
  let programs: string;
  before(function () {
    requireRoot(this);
  });
  beforeEach(async () => {
    programs = await makeFolder();
    host = await CrashHost.make({ doors: [...LASTING, ONE_TIME, KERNEL], sources: SOURCES });
    await writeFile(join(host.folder, 'once'), `${ONCE}\n${NEXT}\n`, { mode: 0o600 });
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(host.postern.logs);
    await host.dispose();
    await rm(programs, { recursive: true, force: true });
  });

  async function openAll(): Promise<void> {
    for (const { sequence } of LASTING) {
      await Promise.all(SOURCES.map((source) => host.client.knock(source, sequence)));
    }
    await eventually('twenty start commands ran', async () => (await host.starts()).length === 20, {
      withinMs: 2000,
    });
  }

  /** A knock is answered in the log within a second, and nothing opens. */
  async function refusesOneTime(): Promise<void> {
    const from = host.postern.logs.length;
    await host.client.knock(SOURCES[0] ?? '', ONCE);
    const knockedMs = Date.now();
    const refusal = await logLine(host.postern.program, /"once".*the door was not opened/, from);
    assert.ok(refusal.atMs - knockedMs < 1000, `refused after ${refusal.atMs - knockedMs} ms`);
    assert.equal((await host.starts()).length, 20);
  }

  async function opensKernelTimed(): Promise<void> {
    const from = host.postern.logs.length;
    const source = SOURCES[1] ?? '';
    await host.client.knock(source, KERNEL.sequence);
    await eventually('it opens', () => host.client.isOpen(source, KERNEL.port) === true);
    await logLine(host.postern.program, /"door":"kernel".*done without the journal/, from);
  }

  /** Whether the refused sequence is used up is unknown to all when Redis froze upon it. */
  async function oneTimeOpens(): Promise<void> {
    await eventually(
      'the one-time door opens',
      async () => {
        for (const sequence of [ONCE, NEXT]) await host.client.knock(SOURCES[0] ?? '', sequence);
        return (await host.starts()).length > 20;
      },
      { withinMs: 10_000, everyMs: 500 },
    );
  }

  async function allClosedInTime(): Promise<void> {
    await oneTimeOpens();
    const verdict = await finish(host, LASTING.slice(0, 1));
    const { faults, ...figures } = verdict;
    process.stderr.write(`${JSON.stringify(figures)}\n`);
    assert.deepEqual(faults, []);
    assert.ok(figures.grants >= 22);
  }

  it('frozen: all are closed in time, a one-time knock is refused within a second', async function () {
    this.timeout(AWAY_MS * 3 + 60_000);
    await host.start();
    await openAll();
    const redis = host.familyOf(/redis-server/);
    assert.equal(redis.length, 1);
    for (const pid of redis) process.kill(pid, 'SIGSTOP');
    await refusesOneTime();
    await opensKernelTimed();
    await sleep(AWAY_MS);
    assert.equal((await host.stops()).length, 20, 'closed without Redis');
    for (const pid of redis) process.kill(pid, 'SIGCONT');
    await allClosedInTime();
  });

  it('killed and kept away: the same, and it is back when Redis can start', async function () {
    this.timeout(AWAY_MS * 3 + 60_000);
    const barred = join(programs, 'barred');
    const wrapper = join(programs, 'redis-server');
    const script = `#!/bin/sh\n[ -e ${barred} ] && exit 1\nexec /usr/bin/redis-server "$@"\n`;
    await writeFile(wrapper, script);
    await chmod(wrapper, 0o755);
    await host.start({ PATH: `${programs}:${process.env['PATH']}` });
    await openAll();
    await writeFile(barred, '');
    for (const pid of host.familyOf(/redis-server/)) process.kill(pid, 'SIGKILL');
    await refusesOneTime();
    await opensKernelTimed();
    await sleep(AWAY_MS);
    assert.equal((await host.stops()).length, 20, 'closed without Redis');
    await rm(barred);
    await logLine(host.postern.program, /redis-server is back/);
    await allClosedInTime();
  });
});
