import assert from 'node:assert/strict';
import { Queue } from 'bullmq';
import { poll } from '../support/poll.js';
import { DeliveryHost, type Running, TellingSink } from './host.js';

describe('deliveries and a Redis that is away, forgets, or lies', () => {
  let host: DeliveryHost;
  before(async () => {
    host = await DeliveryHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const keys = () => host.base.redis.keys('postern:deliver:*');

  /** A grant that is owed, whose sink does not answer well until told. */
  async function owing(ops: TellingSink, name = 'd') {
    let isWell = false;
    ops.answer = () => {
      if (!isWell) throw new Error('away');
    };
    const door = host.door(name, [ops.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    const grant = await host.knock(running, door);
    await host.eventsOf(running, 'DeliveryFailed');
    const mend = () => {
      isWell = true;
    };
    return { running, grant, door, mend };
  }

  const delivered = (running: Running) =>
    poll(
      async () => (await host.eventsOf(running, 'Delivered', 1, 8000))[0] ?? false,
      'it is delivered',
      8000,
    );

  it('delivers 100 grants though Redis is killed in between', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = Array.from({ length: 50 }, () => 200);
    let isWell = false;
    ops.answer = () => {
      if (!isWell) throw new Error('away');
    };
    const door = host.door('d', [ops.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    const grants = await Promise.all(
      Array.from({ length: 100 }, (_, index) => host.knock(running, door, `192.0.2.${index + 1}`)),
    );
    await host.base.killRedis();
    isWell = true;
    const events = await host.eventsOf(running, 'Delivered', 100, 9000);
    assert.deepEqual(new Set(events.map(({ grant }) => grant)), new Set(grants));
    assert.deepEqual(running.deliveries.status(), []);
    await running.crash();
    const toldBefore = ops.told.length;
    const again = await host.run();
    assert.deepEqual(again.deliveries.status(), [], 'the journal knows of all');
    assert.equal(ops.told.length, toldBefore);
  });

  it('tells while Redis is away, and the journal learns of it later', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = Array.from({ length: 100 }, () => 50);
    const well = new Set<string>();
    ops.answer = ({ grant: { source } }) => {
      if (!well.has(source)) throw new Error('away');
    };
    const door = host.door('d', [ops.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    for (const source of ['192.0.2.1', '192.0.2.2']) await host.knock(running, door, source);
    await host.eventsOf(running, 'DeliveryFailed', 2);
    const owed = () => running.deliveries.status()[0]?.owed ?? 0;
    await host.base.frozen(async () => {
      well.add('192.0.2.1');
      await poll(() => owed() === 1, 'it is told without Redis');
      const { entries } = host.base.log;
      await poll(
        () => entries.some(({ message }) => message === 'an event is written later'),
        'the journal cannot be told',
      );
      // Of this one Redis is not even told before it is back.
      well.add('192.0.2.2');
      await poll(() => owed() === 0, 'the other one too');
    });
    const events = await host.eventsOf(running, 'Delivered', 2);
    assert.ok(events.every(({ attempt }) => attempt > 1));
  });

  it('loses nothing when all jobs are lost', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [300];
    const { running, mend } = await owing(ops);
    mend();
    const jobs = await keys();
    assert.ok(jobs.length > 0);
    await host.base.redis.del(...jobs);
    assert.equal((await delivered(running)).attempt, 2);
  });

  it('goes on after FLUSHALL', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [300, 300, 300, 300];
    const { running, grant, mend } = await owing(ops);
    await host.base.redis.flushall();
    mend();
    assert.equal((await delivered(running)).grant, grant);
    assert.deepEqual(running.deliveries.status(), []);
  });

  it('drops forged jobs, and does nothing about jobs that come twice, early or late', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [60_000];
    const { running, grant } = await owing(ops);
    const queue = new Queue('deliver', { connection: host.base.redis, prefix: 'postern' });
    const [job] = await queue.getDelayed();
    assert.ok(job);
    assert.deepEqual(Object.keys(job.data).sort(), ['attempt', 'event', 'grant', 'mac', 'sink']);
    const name = { grant, sink: 'webhook:ops', event: 'open' };
    const forged = [
      { ...job.data, attempt: 1 },
      { ...job.data, grant: 'other' },
      { ...job.data, mac: '' },
      { ...name, attempt: 2 },
      { url: 'https://192.0.2.66/' },
    ];
    for (const data of forged) await queue.add('deliver', data);
    await poll(() => running.deliveries.rejectedJobs === forged.length, 'they are dropped');
    // Ours, but before its time: once more under another id.
    await queue.add('deliver', job.data);
    await queue.add('deliver', job.data);
    await poll(
      async () => (await queue.getJobCountByTypes('wait', 'active')) === 0,
      'all are done',
    );
    assert.equal(ops.told.length, 1, 'nothing of that is an attempt');
    assert.equal(running.deliveries.rejectedJobs, forged.length);
    const errors = host.base.log.entries.filter(({ level }) => level === 'error');
    assert.match(errors[0]?.message ?? '', /a job that nobody here wrote/);
  });

  it('writes nothing into Redis but names: no address of a receiver, no text', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [60_000];
    const { running } = await owing(ops);
    const queue = new Queue('deliver', { connection: host.base.redis, prefix: 'postern' });
    const [job] = await queue.getDelayed();
    const { source, door } = ops.told[0]?.grant ?? {};
    const text = JSON.stringify([job?.id, job?.data, job?.opts]);
    assert.ok(source !== undefined && !text.includes(source));
    assert.ok(door !== undefined && !text.includes(`"${door}"`));
    assert.ok(!String(job?.id).includes(':'));
    await running.stop();
  });
});
