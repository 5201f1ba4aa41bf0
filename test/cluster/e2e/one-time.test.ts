import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { type Cluster, useClusters } from '../lab/cluster.js';
import {
  type ClusterDoor,
  commandsDoor,
  kernelDoor,
  left,
  marked,
  oneTime,
  sequences,
  started,
  triggerDoor,
  withDoors,
  writeSequences,
} from './doors.js';

/** How often two hosts are knocked within a millisecond. */
const RACES = Number(process.env['CLUSTER_RACES'] ?? 5);

const SEQUENCES = sequences(6);
const [FIRST = [], SECOND = [], THIRD = [], FOURTH = [], FIFTH = []] = SEQUENCES;

const door = oneTime(kernelDoor('ssh', [], 2222, { cmdTimeout: 30 }));

describe('one-time sequences of a cluster', function () {
  this.timeout(120_000);
  const make = useClusters();

  const completed = async (host: Bastion) =>
    (await host.events()).filter(({ type }) => type === 'Completed');
  const opens = ({ client }: Cluster, { name, v4 }: Bastion, { port }: ClusterDoor) =>
    eventually(`${name} opens`, () => client.connects(v4, port));
  const movedOn = async ({ hosts }: Cluster, of: ClusterDoor, remaining: number) => {
    for (const host of hosts) {
      const says = async () => (await left(host, of)) === remaining;
      await eventually(`${host.name} has ${remaining} left`, says);
    }
  };

  it('count for the first host that sees one completed; all move on, and mark their own files', async () => {
    const cluster = await make(withDoors([door], { ssh: SEQUENCES }));
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await client.knock([b1.v4], FIRST);
    await opens(cluster, b1, door);
    await movedOn(cluster, door, SEQUENCES.length - 1);
    for (const host of hosts) {
      await eventually('marked', async () => (await marked(host, door))[0] === true);
    }
    await client.knock([b2.v4], FIRST);
    await client.knock([b2.v4], SECOND);
    await opens(cluster, b2, door);
    assert.equal(await client.connects(b3.v4, door.port), false);
    assert.equal((await completed(b2)).length, 1, 'the used one counted nowhere else');
    assert.deepEqual((await marked(b3, door)).slice(2), [false, false, false, false]);
  });

  it(`have one winner each when hosts are knocked within a millisecond, ${RACES} times`, async () => {
    const all = sequences(RACES);
    const quick = oneTime(kernelDoor('ssh', [], 2222, { cmdTimeout: 1 }));
    const cluster = await make(withDoors([quick], { ssh: all }));
    const { client, hosts } = cluster;
    for (const [index, sequence] of all.entries()) {
      await client.knock(
        hosts.map(({ v4 }) => v4),
        sequence,
      );
      await movedOn(cluster, quick, all.length - index - 1);
    }
    const counts = await Promise.all(hosts.map(async (host) => (await completed(host)).length));
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      RACES,
      `${counts}`,
    );
  });

  it('that were used while a host was away are known to it before it captures', async () => {
    const cluster = await make(withDoors([door], { ssh: SEQUENCES }));
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await b3.kill();
    await client.knock([b1.v4], FIRST);
    await opens(cluster, b1, door);
    // Nobody waits for a host that is away.
    await eventually('b2 moves on', async () => (await left(b2, door)) === SEQUENCES.length - 1);
    await client.knock([b2.v4], SECOND);
    await opens(cluster, b2, door);
    await b3.start();
    assert.equal(await left(b3, door), SEQUENCES.length - 2);
    assert.deepEqual((await marked(b3, door)).slice(0, 3), [true, true, false]);
    await client.knock([b3.v4], FIRST);
    await client.knock([b3.v4], SECOND);
    await client.knock([b3.v4], THIRD);
    await opens(cluster, b3, door);
    assert.equal((await completed(b3)).length, 1);
  });

  it('are not brought back by a restored file, nor by a shared Redis that forgot everything', async () => {
    const cluster = await make(withDoors([door], { ssh: SEQUENCES }));
    const { client, hosts, redis } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    await client.knock([b1.v4], FIRST);
    await movedOn(cluster, door, SEQUENCES.length - 1);
    await client.knock([b1.v4], SECOND);
    await movedOn(cluster, door, SEQUENCES.length - 2);
    await b2.stop();
    await writeSequences(b2, door, SEQUENCES);
    await b2.start();
    assert.deepEqual((await marked(b2, door)).slice(0, 3), [true, true, false]);
    await b2.stop();
    await writeSequences(b2, door, SEQUENCES);
    const inside = redis.connect();
    await inside.flushall();
    await b2.start();
    await b2.is('joined');
    assert.deepEqual((await marked(b2, door)).slice(0, 3), [true, true, false]);
    await client.knock([b2.v4], FIRST);
    await client.knock([b2.v4], SECOND);
    await client.knock([b2.v4], THIRD);
    await opens(cluster, b2, door);
    assert.equal((await completed(b2)).length, 1);
  });

  it('open everywhere with one claim, and are acted on once by whom they were knocked at', async () => {
    const all = oneTime(commandsDoor('each', [], 2221, { runOn: 'everywhere', cmdTimeout: 20 }));
    const one = oneTime(triggerDoor('single', [], 'once'));
    const own = { each: [FIRST, SECOND], single: [FOURTH, FIFTH] };
    const cluster = await make(withDoors([all, one], own));
    const { client, hosts } = cluster;
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    await client.knock([b2.v4], FIRST);
    for (const host of hosts) await opens(cluster, host, all);
    const [grant, ...others] = await started(b2);
    assert.equal(others.length, 0);
    for (const host of hosts) assert.deepEqual(await started(host), [grant]);
    await movedOn(cluster, all, 1);
    await client.knock([b1.v4], FOURTH);
    await eventually('b1 acts', async () => (await started(b1)).length === 2);
    await movedOn(cluster, one, 1);
    assert.deepEqual(
      await Promise.all(hosts.map(async (host) => (await started(host)).length)),
      [2, 1, 1],
    );
  });
});
