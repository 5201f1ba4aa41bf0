import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { DeliveryHost, TellingSink } from './host.js';

const COLLECT_MS = 400;

describe('deliveries that are collected', () => {
  let host: DeliveryHost;
  before(async () => {
    host = await DeliveryHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const mail = (events?: ('open' | 'close' | 'failed')[]) =>
    new TellingSink('email:oncall', events, COLLECT_MS);

  it('are made together, those of one door and no other, each with an outcome of its own', async () => {
    const oncall = mail(['open']);
    const one = host.door('one', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const two = host.door('two', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    const fromMs = performance.now();
    const grants: string[] = [];
    for (let index = 1; index <= 100; index += 1) {
      grants.push(await host.knock(running, one, `192.0.2.${index}`));
    }
    await host.knock(running, two);
    const knockedMs = performance.now() - fromMs;
    const delivered = await host.eventsOf(running, 'Delivered', 101);
    const batches = oncall.batches.map((batch) => batch.map(({ grant }) => grant.door));
    assert.ok(batches.every((doors) => new Set(doors).size === 1));
    assert.equal(batches.flat().length, 101);
    assert.ok(batches.length <= 2 + Math.ceil(knockedMs / COLLECT_MS), `${batches.length}`);
    assert.deepEqual(new Set(delivered.map(({ grant }) => grant)).size, 101);
    const told = oncall.told.filter(({ grant }) => grant.door === 'one');
    assert.deepEqual(
      told.map(({ grant }) => grant.id),
      grants,
      'in the order they happened',
    );
  });

  it('wait for the first of them, and no longer', async () => {
    const oncall = mail(['open']);
    const door = host.door('one', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    const fromMs = performance.now();
    await host.knock(running, door, '192.0.2.1');
    await poll(() => performance.now() - fromMs > COLLECT_MS / 2, 'half the time');
    await host.knock(running, door, '192.0.2.2');
    await poll(() => oncall.batches.length === 1, 'they are told');
    const tookMs = performance.now() - fromMs;
    assert.ok(tookMs >= COLLECT_MS - 60 && tookMs < 1.9 * COLLECT_MS, `${tookMs} ms`);
    assert.equal(oncall.batches[0]?.length, 2);
  });

  it('are collected anew when those before have been told', async () => {
    const oncall = mail(['open']);
    const door = host.door('one', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    for (const round of [1, 2]) {
      const fromMs = performance.now();
      await host.knock(running, door, `192.0.2.${round}`);
      await host.knock(running, door, `198.51.100.${round}`);
      await poll(() => oncall.batches.length === round, 'they are told');
      assert.ok(performance.now() - fromMs >= COLLECT_MS - 60);
      await host.eventsOf(running, 'Delivered', 2 * round);
    }
    assert.deepEqual(
      oncall.batches.map((batch) => batch.length),
      [2, 2],
    );
  });

  it('count as tried, each of them, also one that came when half the time was over', async () => {
    const oncall = mail(['open']);
    oncall.delaysMs = [60_000];
    oncall.answer = () => {
      throw new Error('no');
    };
    const door = host.door('one', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    const fromMs = performance.now();
    const first = await host.knock(running, door, '192.0.2.1');
    await poll(() => performance.now() - fromMs > COLLECT_MS / 2, 'half the time');
    const second = await host.knock(running, door, '192.0.2.2');
    const failed = await host.eventsOf(running, 'DeliveryFailed', 2);
    assert.deepEqual(
      failed.map(({ grant, attempt }) => [grant, attempt]),
      [
        [first, 1],
        [second, 1],
      ],
    );
    assert.equal(oncall.batches.length, 1);
  });

  it('fail together, are tried again together, and no more often than one of them', async () => {
    const oncall = mail(['open']);
    let failures = 0;
    const atMs: number[] = [];
    const wobbly = { ...oncall.sink };
    let asked = 0;
    const delivery = {
      collectMs: COLLECT_MS,
      // A policy with jitter: each call is given another time.
      retryAfterMs: () => 100 + 40 * (asked++ % 10),
    };
    oncall.answer = () => {
      atMs.push(performance.now());
      failures += 1;
      if (failures <= 2) throw new Error('no');
    };
    const door = host.door('one', [{ ...wobbly, delivery }], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    for (let index = 1; index <= 10; index += 1)
      await host.knock(running, door, `192.0.2.${index}`);
    const delivered = await host.eventsOf(running, 'Delivered', 10);
    assert.deepEqual(
      oncall.batches.map((batch) => batch.length),
      [10, 10, 10],
    );
    assert.ok(delivered.every(({ attempt }) => attempt === 3));
    assert.equal((await host.eventsOf(running, 'DeliveryFailed')).length, 20);
    for (const [index, since] of atMs.slice(1).entries()) {
      assert.ok(since - (atMs[index] ?? 0) >= 400, 'at the latest of their times');
    }
  });

  it('take along what waits to be tried again, which is not held against it', async () => {
    const oncall = mail(['open']);
    oncall.delaysMs = [60_000, 60_000];
    let failures = 2;
    oncall.answer = () => {
      failures -= 1;
      if (failures >= 0) throw new Error('no');
    };
    const door = host.door('one', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    const first = await host.knock(running, door, '192.0.2.1');
    await host.eventsOf(running, 'DeliveryFailed');
    const second = await host.knock(running, door, '192.0.2.2');
    const failed = await host.eventsOf(running, 'DeliveryFailed', 2);
    assert.deepEqual(
      failed.map(({ grant, attempt }) => [grant, attempt]),
      [
        [first, 1],
        [second, 1],
      ],
    );
    const third = await host.knock(running, door, '192.0.2.3');
    const delivered = await host.eventsOf(running, 'Delivered', 3);
    assert.deepEqual(
      delivered.map(({ grant, attempt }) => [grant, attempt]),
      [
        [first, 2],
        [second, 2],
        [third, 1],
      ],
    );
    assert.deepEqual(
      oncall.batches.map((batch) => batch.length),
      [1, 2, 3],
    );
  });

  it('survive a crash while they are collected', async () => {
    const oncall = mail(['open']);
    const door = host.door('one', [oncall.sink], { cmdTimeoutMs: 60_000 });
    const first = await host.run();
    for (let index = 1; index <= 5; index += 1) await host.knock(first, door, `192.0.2.${index}`);
    await host.eventsOf(first, 'Opened', 5);
    await first.crash();
    assert.equal(oncall.told.length, 0);
    const second = await host.run();
    await host.eventsOf(second, 'Delivered', 5);
    assert.deepEqual(
      oncall.batches.map((batch) => batch.length),
      [5],
    );
  });
});
