import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { foldGrants } from '../../src/jobs/fold.js';
import type { AcceptedOrder } from '../../src/jobs/types.js';
import { randomFrom } from '../capture/random.js';
import { poll } from '../support/poll.js';
import { type Running, TestHost } from './host.js';

const STEPS = Number(process.env['ORDERS_STEPS'] ?? 80);
const SEED = Number(process.env['ORDERS_SEED'] ?? Date.now() % 1_000_000);
const SOURCES = ['192.0.2.1', '192.0.2.2', '2001:db8::1'];

describe('orders of a cluster, repeated and revoked while everything fails', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.end());

  it(`start each grant once at most, and close what they opened (ORDERS_SEED=${SEED})`, async function () {
    this.timeout(60_000 + STEPS * 500);
    const random = randomFrom(SEED);
    const doorWith = (name: string, commands: string, overrides: object) =>
      host.door({
        name,
        startCommand: `echo start $POSTERN_GRANT %IP% >> ${host.file('all')}; ${commands}`,
        stopCommand: `${commands}; echo stop $POSTERN_GRANT %IP% >> ${host.file('all')}`,
        ...overrides,
      });
    const doors = [
      doorWith('extends', 'true', { cmdTimeoutMs: 400 }),
      doorWith('slow', 'sleep 0.2', { cmdTimeoutMs: 300 }),
      doorWith('rerun', 'true', { cmdTimeoutMs: 2000, reknock: 'rerun' }),
      doorWith('cool', 'sleep 0.05', { cmdTimeoutMs: 200, cooldownMs: 300 }),
    ];
    let running: Running = await host.run();
    const orders: AcceptedOrder[] = [];
    const opened = new Map<string, number>();
    const asked = new Set<Promise<unknown>>();

    const accept = (order: AcceptedOrder) => {
      const asking = running.grants.accept(order).then(
        ({ kind }) => {
          if (kind !== 'opening') return;
          opened.set(order.grant, (opened.get(order.grant) ?? 0) + 1);
        },
        (error: unknown) => assert.ok(error instanceof Error && 'code' in error, String(error)),
      );
      asked.add(asking);
    };
    const restart = async (end: 'stop' | 'crash') => {
      await running[end]();
      running = await host.run();
    };
    const newOrder = () => {
      const door = random.pick(doors);
      const openForMs = random.chance(2) ? door.cmdTimeoutMs : random.below(door.cmdTimeoutMs);
      const order = host.order(door, { source: random.pick(SOURCES), openForMs });
      orders.push(order);
      for (let n = random.below(3); n >= 0; n -= 1) accept(order);
    };
    const acts: readonly (() => unknown)[] = [
      ...[newOrder, newOrder, newOrder, newOrder],
      () => orders.length > 0 && accept(random.pick(orders)),
      () => {
        const knock = host.completion(random.pick(doors), { source: random.pick(SOURCES) });
        asked.add(running.grants.complete(knock).catch(() => {}));
      },
      () => asked.add(running.grants.revoke(random.pick(doors).name, random.pick(SOURCES))),
      () => host.frozen(() => sleep(random.pick([50, 300, 1000]))),
      () => random.chance(2) && host.killRedis(),
      () => random.chance(2) && restart(random.pick(['stop', 'crash', 'crash'])),
      () => host.dropJobs().catch(() => {}),
      () => sleep(random.below(200)),
    ];
    for (let n = 0; n < STEPS; n += 1) await random.pick(acts)();
    await Promise.all(asked);
    await restart('crash');
    for (const order of orders) accept(order);
    await Promise.all(asked);
    await poll(() => running.grants.status().length === 0, 'all is over', 20_000);

    const events = await host.events(running);
    assert.deepEqual([...(await foldGrants(events)).keys()], [], 'and the journal knows it');
    const completed = events.flatMap((event) => (event.type === 'Completed' ? [event.grant] : []));
    const given = completed.filter((grant) => grant !== undefined);
    assert.equal(new Set(given).size, given.length, 'no order is journalled twice');
    for (const [grant, times] of opened) assert.equal(times, 1, `${grant} opened`);
    const lines = host.lines('all');
    const of = (what: string) =>
      lines.flatMap((line) => (line.startsWith(what) ? [line.slice(what.length + 1)] : []));
    const [starts, stops] = [of('start'), new Set(of('stop'))];
    assert.equal(new Set(starts).size, starts.length, 'nothing started twice');
    for (const start of starts) assert.ok(stops.has(start), `${start} was closed`);
    assert.ok(opened.size > 0 && starts.length > 0);
  });
});
