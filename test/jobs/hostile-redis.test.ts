import assert from 'node:assert/strict';
import { Queue } from 'bullmq';
import fc from 'fast-check';
import { signJob, verifyJob } from '../../src/jobs/job-data.js';
import { silentLog } from '../../src/log/types.js';
import { connect } from '../../src/redis/connect.js';
import { poll } from '../support/poll.js';
import { grantOf, type Running, SOURCE, TestHost } from './host.js';

describe('grants beside a Redis that forgets, forges or is gone', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: Running, withinMs = 5000) =>
    poll(() => running.grants.status().length === 0, 'no grant is live', withinMs);

  /** Opens a door for a second and resolves with the time (performance.now) of its deadline. */
  async function openForASecond(running: Running, name: string): Promise<number> {
    const door = host.door({ name, cmdTimeoutMs: 1000 });
    await running.grants.complete(host.completion(door));
    await poll(() => running.grants.status()[0]?.state === 'open', 'open');
    return performance.now() + 1000;
  }

  async function closesInTime(name: string, deadline: number): Promise<void> {
    const lines = await host.linesOf(name, 2, 4000);
    assert.equal(lines[1], `stop ${SOURCE}`);
    const lateMs = performance.now() - deadline;
    assert.ok(lateMs > -50 && lateMs < 2000, `${lateMs} ms after the deadline`);
  }

  async function queue<T>(name: 'open' | 'close', use: (queue: Queue) => Promise<T>): Promise<T> {
    const socket = String(host.redis.options.path);
    const connection = connect({ target: { socket }, role: 'worker', log: silentLog });
    const opened = new Queue(name, { connection, prefix: 'postern' });
    try {
      return await use(opened);
    } finally {
      await opened.close();
      connection.disconnect();
    }
  }

  it('closes within two seconds of the deadline after FLUSHALL', async () => {
    const running = await host.run();
    const deadline = await openForASecond(running, 'flushed');
    const jobs = () => host.redis.zcard('postern:close:delayed');
    await poll(async () => (await jobs()) === 1, 'its close job is there to be lost');
    await host.redis.flushall();
    await closesInTime('flushed', deadline);
    await none(running);
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.equal(closing?.cause, 'reconciler');
  });

  it('closes while Redis is frozen, and journals it when Redis is back', async () => {
    const running = await host.run();
    const deadline = await openForASecond(running, 'frozen');
    const pid = host.redisPid;
    process.kill(pid, 'SIGSTOP');
    try {
      await closesInTime('frozen', deadline);
      const door = host.door({ name: 'refused' });
      const asked = performance.now();
      const refused = running.grants.complete(host.completion(door));
      await assert.rejects(refused, { code: 'POSTERN_E_JOURNAL' });
      assert.ok(performance.now() - asked < 2500);
      assert.deepEqual(host.lines('refused'), []);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await host.eventsOf(running, 'Closed', 1, 8000);
  });

  it('closes after Redis was killed, and goes on when it is back', async () => {
    const running = await host.run();
    const deadline = await openForASecond(running, 'survives');
    process.kill(host.redisPid, 'SIGKILL');
    await closesInTime('survives', deadline);
    await host.eventsOf(running, 'Closed', 1, 8000);
    const door = host.door({ name: 'after', cmdTimeoutMs: 200 });
    await poll(
      () =>
        running.grants.complete(host.completion(door)).then(
          () => true,
          () => false,
        ),
      'a new grant',
      8000,
    );
    await none(running, 8000);
    assert.deepEqual(host.lines('after'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });

  it('stops within a second while Redis is frozen', async () => {
    const running = await host.run();
    await openForASecond(running, 'stops');
    const pid = host.redisPid;
    process.kill(pid, 'SIGSTOP');
    const begun = performance.now();
    await running.grants.stop();
    const tookMs = performance.now() - begun;
    process.kill(pid, 'SIGCONT');
    assert.ok(tookMs < 1000, `${tookMs} ms`);
  });

  it('drops, counts and logs jobs that it did not write, and runs nothing for them', async () => {
    const running = await host.run();
    const door = host.door({ name: 'forged' });
    const names = { grant: 'test:host-1-0', door: door.name, source: SOURCE, round: 0 };
    const mac = 'A'.repeat(43);
    const forged = [{ kind: 'open', ...names, mac }, { command: 'reboot' }, null, [], 'x'];
    await queue('open', (open) => open.addBulk(forged.map((data) => ({ name: 'open', data }))));
    await poll(() => running.grants.rejectedJobs === forged.length, 'all are counted');
    assert.deepEqual(host.lines('forged'), []);
    assert.equal(host.log.entries.filter(({ level }) => level === 'error').length, forged.length);
  });

  it('starts nothing again, and closes nothing early, for replayed jobs of its own', async () => {
    const running = await host.run();
    const door = host.door({ name: 'replayed', cmdTimeoutMs: 1200 });
    const grant = grantOf(await running.grants.complete(host.completion(door)));
    await host.eventsOf(running, 'Opened');
    const names = { grant, door: door.name, source: SOURCE };
    const open = signJob(host.key, { kind: 'open', round: 0, ...names });
    await queue('open', (jobs) => jobs.addBulk([open, open].map((data) => ({ name: 'x', data }))));
    for (const round of [0, 1, 2, 3]) {
      const close = signJob(host.key, { kind: 'close', round, ...names });
      await queue('close', (jobs) => jobs.add('close', close));
    }
    await none(running);
    assert.deepEqual(host.lines('replayed'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
    const [opened] = await host.eventsOf(running, 'Opened');
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.ok(Math.abs((closing?.atMs ?? 0) - (opened?.until ?? 0)) < 200);
    assert.equal(running.grants.rejectedJobs, 0);
  });

  it('verifies a job only as it was signed, for its own queue', () => {
    const text = fc.string({ unit: 'binary' });
    const body = fc.record({
      kind: fc.constantFrom('open' as const, 'close' as const),
      grant: text,
      door: text,
      source: text,
      round: fc.nat(),
    });
    fc.assert(
      fc.property(body, body, (one, other) => {
        const signed = signJob(host.key, one);
        const received: unknown = JSON.parse(JSON.stringify(signed));
        assert.deepEqual(verifyJob(host.key, one.kind, received), { ...one });
        const otherKind = one.kind === 'open' ? 'close' : 'open';
        assert.equal(verifyJob(host.key, otherKind, received), undefined);
        for (const field of ['grant', 'door', 'source', 'round'] as const) {
          if (one[field] === other[field]) continue;
          const edited = { ...signed, [field]: other[field] };
          assert.equal(verifyJob(host.key, one.kind, edited), undefined);
        }
      }),
      { numRuns: 200 },
    );
  });
});
