import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { CLIENT, type Cluster, useClusters } from '../lab/cluster.js';
import { type ClusterDoor, commandsDoor, kernelDoor, stopped, withDoors } from './doors.js';

const everywhere = { runOn: 'everywhere', cmdTimeout: 60 } as const;
const kernel = kernelDoor('kernel', [7001, 9001, 8001], 2221, everywhere);
const commands = commandsDoor('commands', [7002, 9002, 8002], 2222, everywhere);
const here = kernelDoor('here', [7003, 9003, 8003], 2223, { cmdTimeout: 60 });

describe('postern close in a cluster', function () {
  this.timeout(120_000);
  const make = useClusters();

  const opens = ({ client }: Cluster, { name, v4 }: Bastion, { port }: ClusterDoor) =>
    eventually(`${name} opens ${port}`, () => client.connects(v4, port));
  const shuts = ({ client }: Cluster, { name, v4 }: Bastion, { port }: ClusterDoor) =>
    eventually(`${name} shuts ${port}`, async () => !(await client.connects(v4, port)));

  it('ends now, everywhere, what is open for that source, and nothing else', async () => {
    const other = '192.0.2.31';
    const cluster = await make({ ...withDoors([kernel, commands]), sources: [other] });
    const { client, hosts } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    for (const { sequence } of [kernel, commands]) {
      await client.knock([b1.v4], sequence);
      await client.knock([b1.v4], sequence, { source: other });
    }
    for (const host of hosts) {
      for (const { port } of [kernel, commands]) {
        await eventually('open', () => client.connects(host.v4, port));
        await eventually('open for the other', () => client.connects(host.v4, port, other));
      }
    }
    for (const { name } of [kernel, commands]) {
      const { code, stdout, stderr } = await b2.ask('close', name, CLIENT.v4);
      assert.equal(code, 0, stdout + stderr);
    }
    for (const host of hosts) {
      await shuts(cluster, host, kernel);
      await shuts(cluster, host, commands);
      assert.equal((await stopped(host)).length, 1);
      const events = await host.events();
      const causes = events.flatMap((event) => (event.type === 'Closing' ? [event.cause] : []));
      assert.deepEqual(causes, ['revoked', 'revoked']);
      for (const { port } of [kernel, commands]) {
        assert.equal(await client.connects(host.v4, port, other), true, 'open for the other');
      }
    }
  });

  it('with --host ends it on that host alone, asked on any', async () => {
    const cluster = await make(withDoors([kernel]));
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await client.knock([b1.v4], kernel.sequence);
    for (const host of hosts) await opens(cluster, host, kernel);
    await cluster.together();
    const { code, stdout, stderr } = await b1.ask('close', kernel.name, CLIENT.v4, '--host', 'b3');
    assert.equal(code, 0, stdout + stderr);
    await shuts(cluster, b3, kernel);
    assert.equal(await client.connects(b1.v4, kernel.port), true);
    assert.equal(await client.connects(b2.v4, kernel.port), true);
  });

  it('ends on a host that comes back what was revoked while it was away', async () => {
    const cluster = await make(withDoors([kernel, commands]));
    const { client, hosts } = cluster;
    const [b1, , b3] = hosts;
    assert.ok(b1 && b3);
    for (const door of [kernel, commands]) {
      await client.knock([b1.v4], door.sequence);
      for (const host of hosts) await opens(cluster, host, door);
    }
    await b3.kill();
    for (const { name } of [kernel, commands]) await b1.ask('close', name, CLIENT.v4);
    await shuts(cluster, b1, commands);
    assert.equal(await client.connects(b3.v4, commands.port), true, 'nobody is there to close it');
    await b3.start();
    await shuts(cluster, b3, commands);
    await shuts(cluster, b3, kernel);
  });

  it('ends a door of one host from another, opens again upon a knock, and says when nothing is open', async () => {
    const cluster = await make(withDoors([here]));
    const { client, hosts } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    await client.knock([b2.v4], here.sequence);
    await opens(cluster, b2, here);
    const isSeen = async () => (await b1.cluster()).grants.some(({ host }) => host === 'b2');
    await eventually('b1 knows of it', isSeen);
    const { code, stdout, stderr } = await b1.ask('close', here.name, CLIENT.v4);
    assert.equal(code, 0, stdout + stderr);
    await shuts(cluster, b2, here);
    await eventually('b1 knows of it', async () => !(await isSeen()));
    assert.equal((await b1.ask('close', here.name, CLIENT.v4)).code, 1);
    await client.knock([b2.v4], here.sequence);
    await opens(cluster, b2, here);
  });
});
