import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { CLIENT, type Cluster, useClusters } from '../lab/cluster.js';
import {
  type ClusterDoor,
  commandsDoor,
  kernelDoor,
  started,
  stopped,
  withDoors,
} from './doors.js';

/** Seconds that the doors are open: long enough for a host to start, on a slow machine. */
const OPEN = 12;
/** `clock_tolerance`: a knock that was so long ago at most counts as one of now. */
const TOLERANCE_MS = 2000;
const everywhere = { runOn: 'everywhere', cmdTimeout: OPEN } as const;
const kernel = kernelDoor('kernel', [7001, 9001, 8001], 2221, everywhere);
const commands = commandsDoor('commands', [7002, 9002, 8002], 2222, everywhere);
const DOORS = [kernel, commands];

describe('doors that run everywhere', function () {
  this.timeout(120_000);
  const make = useClusters();

  const opens = ({ client }: Cluster, { name, v4 }: Bastion, { port }: ClusterDoor) =>
    eventually(`${name} opens ${port}`, () => client.connects(v4, port));
  const shuts = ({ client }: Cluster, { name, v4 }: Bastion, { port }: ClusterDoor) =>
    eventually(`${name} shuts ${port}`, async () => !(await client.connects(v4, port)), {
      withinMs: (OPEN + 4) * 1000,
    });
  /** Wall clock ms of an event of a door's grant in a host's own journal. */
  const at = async (host: Bastion, type: string, { name }: ClusterDoor) => {
    const events = await host.events();
    const opening = events.find((event) => event.type === 'Opening' && event.door === name);
    assert.ok(opening?.type === 'Opening', `${host.name} never opened ${name}`);
    const found = events.find(
      (event) => event.type === type && 'grant' in event && event.grant === opening.grant,
    );
    assert.ok(found, `${host.name} has no ${type} of ${name}`);
    return found.atMs;
  };
  /** The door was closed at one time on all hosts; gives that time. */
  const closedAlike = async (hosts: readonly Bastion[], door: ClusterDoor) => {
    const times = await Promise.all(hosts.map((host) => at(host, 'Closing', door)));
    const fromMs = Math.min(...times);
    const later = times.map((time) => time - fromMs);
    assert.ok(Math.max(...later) < 1000, `closed ${later} ms after the first`);
    return fromMs;
  };

  it('open and close on each host, for a knock on any, under one grant', async () => {
    const cluster = await make({ ...withDoors(DOORS), sources: ['192.0.2.31'] });
    const { client, hosts } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    await client.knock([b2.v4], kernel.sequence);
    await client.knock([b1.v4], commands.sequence);
    for (const door of DOORS) {
      for (const host of hosts) await opens(cluster, host, door);
    }
    assert.equal(
      await client.connects(b1.v4, kernel.port, '192.0.2.31'),
      false,
      'its source alone',
    );
    const { cluster: seen } = await b1.status();
    const open = seen?.grants.map(({ host, door, source }) => `${host} ${door} ${source}`).sort();
    const all = DOORS.flatMap(({ name }) =>
      hosts.map((host) => `${host.name} ${name} ${CLIENT.v4}`),
    );
    assert.deepEqual(open, all.sort(), 'status shows what is open where');
    for (const door of DOORS) {
      for (const host of hosts) await shuts(cluster, host, door);
    }
    const closingMs = await closedAlike(hosts, kernel);
    const openMs = closingMs - (await at(b2, 'Opened', kernel));
    assert.ok(Math.abs(openMs - OPEN * 1000) < 1000, `open for ${openMs} ms`);
    const [grant] = await started(b1);
    for (const host of hosts) {
      assert.deepEqual(await started(host), [grant]);
      await eventually('stopped', async () => (await stopped(host)).length === 1);
      assert.deepEqual(await stopped(host), [grant]);
      const completed = (await host.events()).filter(({ type }) => type === 'Completed');
      assert.equal(completed.length, DOORS.length);
    }
  });

  it('open on a host that joins late with the time that remains', async () => {
    const cluster = await make({ ...withDoors(DOORS), start: false });
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await Promise.all([b1.start(), b2.start()]);
    for (const { sequence } of DOORS) await client.knock([b1.v4], sequence);
    for (const door of DOORS) await opens(cluster, b2, door);
    const knockedMs = Date.now();
    const isLate = () => Date.now() > knockedMs + TOLERANCE_MS;
    await eventually('it is longer ago than clocks may differ', isLate);
    await b3.start();
    for (const door of DOORS) await opens(cluster, b3, door);
    for (const host of hosts) await shuts(cluster, host, kernel);
    await closedAlike(hosts, kernel);
    for (const host of hosts) await shuts(cluster, host, commands);
    assert.equal((await started(b3)).length, 1);
  });

  it('open on a host that comes back, killed or cut off meanwhile, with the time that remains', async () => {
    const cluster = await make(withDoors(DOORS));
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await b3.kill();
    await cluster.partition(b2);
    for (const { sequence } of DOORS) await client.knock([b1.v4], sequence);
    for (const door of DOORS) await opens(cluster, b1, door);
    assert.equal(await client.connects(b2.v4, kernel.port), false);
    await Promise.all([cluster.heal(b2), b3.start()]);
    for (const door of DOORS) {
      await opens(cluster, b2, door);
      await opens(cluster, b3, door);
    }
    for (const host of hosts) await shuts(cluster, host, kernel);
    await closedAlike(hosts, kernel);
    for (const host of hosts) await shuts(cluster, host, commands);
    for (const host of hosts) assert.equal((await started(host)).length, 1);
  });

  it('are not opened by a host that comes back when their time is over', async () => {
    const short = kernelDoor('short', [7003, 9003, 8003], 2223, { ...everywhere, cmdTimeout: 1 });
    const cluster = await make(withDoors([short]));
    const { client, hosts } = cluster;
    const [b1, , b3] = hosts;
    assert.ok(b1 && b3);
    await b3.kill();
    await client.knock([b1.v4], short.sequence);
    await opens(cluster, b1, short);
    await shuts(cluster, b1, short);
    await b3.start();
    await b3.is('joined');
    const types = (await b3.events()).map(({ type }) => type);
    assert.ok(!types.includes('Opening'), `${types}`);
  });

  it('stay open longer everywhere when knocked again on another host', async () => {
    const cluster = await make(withDoors(DOORS));
    const { client, hosts } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    await client.knock([b1.v4], commands.sequence);
    for (const host of hosts) await opens(cluster, host, commands);
    await eventually('a while is over', async () => {
      const [grant] = (await b1.status()).grants;
      return (grant?.leftSeconds ?? OPEN) < OPEN - 2;
    });
    await client.knock([b2.v4], commands.sequence);
    for (const host of hosts) {
      const extended = async () => (await host.events()).some(({ type }) => type === 'Extended');
      await eventually(`${host.name} extends`, extended);
    }
    for (const host of hosts) await shuts(cluster, host, commands);
    const longerMs = (await closedAlike(hosts, commands)) - (await at(b2, 'Extended', commands));
    assert.ok(Math.abs(longerMs - OPEN * 1000) < 1000, `${longerMs} ms from the second knock on`);
    for (const host of hosts) assert.equal((await started(host)).length, 1);
  });
});
