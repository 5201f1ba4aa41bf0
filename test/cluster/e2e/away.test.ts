import assert from 'node:assert/strict';
import { logLine } from '../../faults/log.js';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { type Cluster, useClusters } from '../lab/cluster.js';
import { ordersIn, reportsOf } from '../lab/journal.js';
import {
  commandsDoor,
  kernelDoor,
  left,
  oneTime,
  sequences,
  triggerDoor,
  withDoors,
} from './doors.js';

const OPEN = 2;
const kernel = kernelDoor('kernel', [7001, 9001, 8001], 2221, { cmdTimeout: OPEN });
const commands = commandsDoor('commands', [7002, 9002, 8002], 2222, { cmdTimeout: OPEN });
const everywhere = kernelDoor('everywhere', [7003, 9003, 8003], 2223, { runOn: 'everywhere' });
const trigger = triggerDoor('trigger', [7004, 9004, 8004], 'once');
const once = oneTime(kernelDoor('once', [], 2224));
const SEQUENCES = sequences(4);
const [FIRST = []] = SEQUENCES;
const SHARED = [{ ...everywhere, name: everywhere.name }, trigger, { ...once, sequence: FIRST }];
const DOORS = withDoors([kernel, commands, everywhere, trigger, once], { once: SEQUENCES });

/** Between the last packet of a sequence and the line that refuses it. */
const REFUSED_WITHIN_MS = 1000;
/** The line's way through a pipe on a busy machine, and the client's. */
const SLACK_MS = 300;

describe('the shared Redis away', function () {
  this.timeout(120_000);
  const make = useClusters();

  /** Doors of this host alone open, and close on time, from its own journal and queue. */
  const ownDoorsWork = async ({ client }: Cluster, host: Bastion) => {
    for (const { name, port, sequence } of [kernel, commands]) {
      await client.knock([host.v4], sequence);
      await eventually(`${host.name} opens ${name}`, () => client.connects(host.v4, port));
      const openedMs = Date.now();
      await eventually(
        `${host.name} shuts ${name}`,
        async () => !(await client.connects(host.v4, port)),
        { withinMs: (OPEN + 2) * 1000 },
      );
      assert.ok(Date.now() - openedMs < (OPEN + 2) * 1000);
    }
  };
  const sharedDoorsAreRefused = async ({ client }: Cluster, host: Bastion) => {
    for (const { name, sequence } of SHARED) {
      const from = host.postern.logs.length;
      const beganMs = Date.now();
      await client.knock([host.v4], sequence);
      const line = new RegExp(`"door":"${name}".*"msg":"the door was not opened`);
      const { text, atMs } = await logLine(host.postern.program, line, from);
      assert.match(text, /"reason":"[^"]*(shared Redis|no answer)/);
      const tookMs = atMs - beganMs;
      assert.ok(tookMs < REFUSED_WITHIN_MS + SLACK_MS, `${name} was refused after ${tookMs} ms`);
    }
  };
  /** The cluster journal has each host's own events, in order, none lost and none twice. */
  const journalsAgree = async (cluster: Cluster) => {
    for (const host of cluster.hosts) {
      await eventually(
        `${host.name} owes nothing`,
        async () => (await host.cluster()).behind === 0,
      );
      const own = (await host.events()).map(({ id, type }) => `${id} ${type}`);
      const shared = (await reportsOf(cluster, host.name)).map(
        ({ id, event }) => `${id} ${event.type}`,
      );
      assert.deepEqual(shared, own);
    }
  };
  /** What was refused was not done later either. */
  const nothingWasDoneLate = async (cluster: Cluster, before: number) => {
    assert.equal((await ordersIn(cluster)).length, before, 'no order was written');
    for (const host of cluster.hosts) assert.equal(await left(host, once), SEQUENCES.length);
  };
  const sharedDoorsWorkAgain = async ({ client, hosts }: Cluster) => {
    const [first] = hosts;
    assert.ok(first);
    await client.knock([first.v4], everywhere.sequence);
    for (const { name, v4 } of hosts) {
      await eventually(`${name} opens`, () => client.connects(v4, everywhere.port));
    }
  };

  it('killed: own doors open and close on time, shared ones are refused within a second, and events arrive later', async () => {
    const cluster = await make(DOORS);
    const { redis, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    const orders = (await ordersIn(cluster)).length;
    await redis.kill();
    await b1.is('away');
    await Promise.all([ownDoorsWork(cluster, b2), sharedDoorsAreRefused(cluster, b1)]);
    // A host that starts without it works as well.
    await b3.restart();
    await ownDoorsWork(cluster, b3);
    assert.ok((await b2.cluster()).behind > 0);
    await redis.start();
    for (const host of hosts) await host.is('joined');
    await journalsAgree(cluster);
    await nothingWasDoneLate(cluster, orders);
    await sharedDoorsWorkAgain(cluster);
  });

  it('frozen: the same, and what was refused is not done when it thaws', async () => {
    const cluster = await make(DOORS);
    const { redis, hosts } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    const orders = (await ordersIn(cluster)).length;
    redis.freeze();
    await Promise.all([ownDoorsWork(cluster, b2), sharedDoorsAreRefused(cluster, b1)]);
    redis.thaw();
    for (const host of hosts) await host.is('joined');
    await journalsAgree(cluster);
    await nothingWasDoneLate(cluster, orders);
    await sharedDoorsWorkAgain(cluster);
  });

  it('for one host, cut off: it alone refuses what is shared, and the others do not wait for it', async () => {
    const cluster = await make(DOORS);
    const { hosts, client } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await cluster.partition(b1);
    const orders = (await ordersIn(cluster)).length;
    await Promise.all([ownDoorsWork(cluster, b2), sharedDoorsAreRefused(cluster, b1)]);
    assert.equal((await ordersIn(cluster)).length, orders);
    await ownDoorsWork(cluster, b1);
    await client.knock([b2.v4], everywhere.sequence);
    for (const { name, v4 } of [b2, b3]) {
      await eventually(`${name} opens`, () => client.connects(v4, everywhere.port));
    }
    const isAway = async () => (await b2.cluster()).hosts.find(({ host }) => host === 'b1')?.state;
    await eventually('b1 is seen to be away', async () => (await isAway()) === 'away', {
      withinMs: 20_000,
    });
    await cluster.heal(b1);
    await b1.is('joined');
    await eventually('b1 is alive', async () => (await isAway()) === 'alive', { withinMs: 10_000 });
    await journalsAgree(cluster);
  });
});
