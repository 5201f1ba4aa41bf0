import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { grantId } from '../../src/journal/events.js';
import type { RedisJournal } from '../../src/journal/redis-journal.js';
import { eventually } from '../support/eventually.js';
import { poll } from '../support/poll.js';
import { pidAlive, pidGone } from '../support/processes.js';
import { grantOf, HOST, SOURCE, TestHost } from './host.js';

describe('recovery of grants', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: { grants: { status(): readonly unknown[] } }) =>
    poll(() => running.grants.status().length === 0, 'no grant is live');

  const completed = async (journal: RedisJournal, door: string) =>
    grantId(await journal.append({ type: 'Completed', door, source: SOURCE, configuration: 'c1' }));
  const opening = async (journal: RedisJournal, door: string, until: number | null) => {
    const grant = await completed(journal, door);
    const names = { grant, door, source: SOURCE, configuration: 'c1' };
    await journal.append({ type: 'Opening', ...names, until });
    return grant;
  };

  it('opens a completion that is younger than five seconds, and only once', async () => {
    host.door({ name: 'fresh', cmdTimeoutMs: 200 });
    await host.past(2000, async (journal) => {
      await completed(journal, 'fresh');
    });
    const running = await host.run();
    await none(running);
    assert.deepEqual(host.lines('fresh'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });

  it('abandons a completion that is older than five seconds', async () => {
    host.door({ name: 'old' });
    await host.past(6000, async (journal) => {
      await completed(journal, 'old');
    });
    const running = await host.run();
    const [abandoned] = await host.eventsOf(running, 'Abandoned');
    assert.match(abandoned?.reason ?? '', /too old/);
    assert.deepEqual(host.lines('old'), []);
    assert.deepEqual(running.grants.status(), []);
  });

  it('closes an opening of unknown outcome, after ending what survived of it', async () => {
    const door = host.door({ name: 'unknown', cmdTimeoutMs: 60_000 });
    let grant = '';
    await host.past(1000, async (journal) => {
      grant = await opening(journal, door.name, Date.now() + 60_000);
    });
    const survivor = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, POSTERN_GRANT: grant, POSTERN_HOST: HOST },
    });
    // Another host of the cluster, on the same kernel, runs its command for the same grant.
    const stranger = spawn('sleep', ['60'], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, POSTERN_GRANT: grant, POSTERN_HOST: 'other' },
    });
    const running = await host.run();
    await none(running);
    assert.ok(await pidGone(survivor.pid ?? 0), 'the survivor was ended');
    assert.ok(pidAlive(stranger.pid ?? 0), "the other host's was not");
    stranger.kill('SIGKILL');
    assert.deepEqual(host.lines('unknown'), [`stop ${SOURCE}`]);
    const [failed] = await host.eventsOf(running, 'OpenFailed');
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.match(failed?.reason ?? '', /while it was opening/);
    assert.equal(closing?.cause, 'recovery');
  });

  it('takes over what this host opened under a name that it had before', async () => {
    const door = host.door({ name: 'renamed', cmdTimeoutMs: 500 });
    const before = await host.run();
    await before.grants.complete(host.completion(door));
    await eventually('open', () => before.grants.status()[0]?.state === 'open');
    await before.stop();
    const running = await host.run({ host: 'renamed' });
    await none(running);
    assert.deepEqual(host.lines('renamed'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });

  it('leaves a start command without a stop running, and has no grant for it any more', async () => {
    const { stopCommand: _, ...door } = host.door({ name: 'forever' });
    host.doors = [door];
    let grant = '';
    await host.past(1000, async (journal) => {
      grant = await opening(journal, door.name, null);
    });
    const survivor = spawn('sleep', ['60'], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, POSTERN_GRANT: grant },
    });
    const running = await host.run();
    assert.deepEqual(running.grants.status(), []);
    assert.ok(pidAlive(survivor.pid ?? 0));
    survivor.kill('SIGKILL');
  });

  it('closes on time when all jobs were lost between two runs', async () => {
    const running = await host.run();
    const door = host.door({ name: 'lost', cmdTimeoutMs: 800 });
    await running.grants.complete(host.completion(door));
    const [opened] = await host.eventsOf(running, 'Opened');
    await running.stop();
    await host.dropJobs();
    const next = await host.run();
    await none(next);
    const [closing] = await host.eventsOf(next, 'Closing');
    assert.equal(closing?.cause, 'deadline', 'by the job that was made anew');
    assert.ok(Math.abs((closing?.atMs ?? 0) - (opened?.until ?? 0)) < 200);
  });

  it('opens a completion whose job was lost, within two seconds', async () => {
    const running = await host.run();
    const door = host.door({ name: 'jobless', cmdTimeoutMs: 60_000 });
    await host.pauseJobs();
    const completion = running.grants.complete(host.completion(door));
    await completion;
    await host.linesOf('jobless', 1, 2500);
    await running.grants.closeAll('exit');
    assert.equal(host.lines('jobless').length, 2);
  });

  it('says that a door may be open when no configuration has it any more', async () => {
    await host.past(1000, async (journal) => {
      const grant = await opening(journal, 'gone', Date.now() + 1000);
      await journal.append({ type: 'Opened', grant, sink: 'exec', until: Date.now() + 1000 });
    });
    const running = await host.run();
    const [failed] = await host.eventsOf(running, 'CloseFailed');
    assert.equal(failed?.final, true);
    assert.ok(
      host.log.entries.some(({ level, message }) => level === 'error' && /OPEN/.test(message)),
    );
  });

  it('closes what commands opened before a reboot at once: its rules are gone, and a knock opens anew', async () => {
    const door = host.door({ name: 'rebooted', cmdTimeoutMs: 60_000 });
    const until = Date.now() + 60_000;
    await host.past(0, async (journal) => {
      await journal.append({ type: 'HostStarted', version: '0', boot: 'first' });
      const old = await opening(journal, door.name, until);
      await journal.append({ type: 'Opened', grant: old, sink: 'exec', until });
      await journal.append({ type: 'HostStarted', version: '0', boot: 'second' });
    });
    const running = await host.run();
    await none(running);
    assert.deepEqual(host.lines('rebooted'), [`stop ${SOURCE}`]);
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.equal(closing?.cause, 'recovery');
    await running.grants.complete(host.completion(door));
    assert.deepEqual((await host.linesOf('rebooted', 2)).at(-1), `start ${SOURCE}`);
    await running.stop();
    const restarted = await host.run();
    assert.equal(restarted.grants.status().length, 1, 'a mere restart leaves it open');
    await restarted.grants.closeAll('exit');
  });

  it('takes a deadline for over only as far as the door allows when the wall clock went back', async () => {
    const door = host.door({ name: 'back', cmdTimeoutMs: 700 });
    await host.past(0, async (journal) => {
      const until = Date.now() + 86_400_000;
      const grant = await opening(journal, door.name, until);
      await journal.append({ type: 'Opened', grant, sink: 'exec', until });
    });
    const running = await host.run();
    const left = running.grants.status()[0]?.leftSeconds ?? 0;
    assert.ok(left > 0 && left <= 0.7, `${left} s left`);
    await none(running);
  });

  it('extends a grant of an earlier run', async () => {
    const running = await host.run();
    const door = host.door({ name: 'kept', cmdTimeoutMs: 900 });
    const grant = grantOf(await running.grants.complete(host.completion(door)));
    await host.eventsOf(running, 'Opened');
    await running.stop();
    const next = await host.run();
    const result = await next.grants.complete(host.completion(door));
    assert.deepEqual(result, { kind: 'extended', grant });
    await none(next);
    assert.deepEqual(host.lines('kept'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });

  it('lets a start command without a stop outlive us, and journals it as open', async () => {
    const running = await host.run();
    const command = `echo $$ >> ${host.file('outlives')}; while sleep 0.05; do echo tick; done`;
    const { stopCommand: _, ...door } = host.door({ name: 'outlives', startCommand: command });
    await running.grants.complete(host.completion(door));
    const pid = Number((await host.linesOf('outlives', 1))[0]);
    await running.stop();
    const next = await host.run();
    assert.equal((await host.eventsOf(next, 'Opened')).length, 1);
    // It writes on: had its output been closed, it would have died of SIGPIPE by now.
    assert.equal(await pidGone(pid, 300), false);
    process.kill(-pid, 'SIGKILL');
  });

  it('lets a start command finish that runs while we stop, and closes at the next start', async () => {
    const running = await host.run();
    const file = host.file('midway');
    const command = `echo begun >> ${file}; sleep 0.6; echo one; echo two; echo done >> ${file}`;
    const door = host.door({ name: 'midway', startCommand: command });
    await running.grants.complete(host.completion(door));
    await host.linesOf('midway', 1);
    await running.stop();
    await host.linesOf('midway', 2);
    const next = await host.run();
    await none(next);
    assert.deepEqual(host.lines('midway'), ['begun', 'done', `stop ${SOURCE}`]);
  });

  it('closes what was open when we were killed', async () => {
    const running = await host.run();
    const door = host.door({ name: 'killed', cmdTimeoutMs: 300 });
    await running.grants.complete(host.completion(door));
    await host.eventsOf(running, 'Opened');
    await running.crash();
    const next = await host.run();
    await none(next);
    assert.deepEqual(host.lines('killed'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });
});
