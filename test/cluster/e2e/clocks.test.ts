import assert from 'node:assert/strict';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.js';
import { faketime, setClock, wallClockFrom } from '../../support/faketime.js';
import type { Bastion } from '../lab/bastion.js';
import { type Cluster, useClusters } from '../lab/cluster.js';
import { type ClusterDoor, kernelDoor, left, oneTime, sequences, withDoors } from './doors.js';

const OPEN = 24;
const everywhere = kernelDoor('everywhere', [7001, 9001, 8001], 2221, {
  runOn: 'everywhere',
  cmdTimeout: OPEN,
});
const once = oneTime(kernelDoor('once', [], 2222));
const SEQUENCES = sequences(3);
const [FIRST = []] = SEQUENCES;

describe('hosts whose clocks differ', function () {
  this.timeout(120_000);
  const make = useClusters();
  let library: string;
  before(async () => {
    library = await faketime();
  });

  /** Two hosts with the right time, and a third whose clock is ahead by so much. */
  const withClock = async (aheadMs: number): Promise<Cluster> => {
    const doors = withDoors([everywhere, once], { once: SEQUENCES });
    const cluster = await make({ ...doors, start: false });
    const file = join(cluster.folder, 'offset');
    await setClock(file, aheadMs);
    const env = wallClockFrom(file, library);
    await Promise.all(cluster.hosts.map((host) => host.start(host.name === 'b3' ? { env } : {})));
    await cluster.together();
    return cluster;
  };
  const opens = ({ client }: Cluster, { name, v4 }: Bastion, { port }: ClusterDoor) =>
    eventually(`${name} opens`, () => client.connects(v4, port));
  const clockOf = async (host: Bastion, name: string) =>
    (await host.cluster()).hosts.find((each) => each.host === name)?.clockAheadMs;
  const leftSeconds = async (host: Bastion) => (await host.status()).grants[0]?.leftSeconds ?? 0;

  for (const aheadMs of [1500, -1500]) {
    it(`by ${aheadMs} ms, within the tolerance: doors open everywhere, for their time`, async () => {
      const cluster = await withClock(aheadMs);
      const [b1, , b3] = cluster.hosts;
      assert.ok(b1 && b3);
      assert.equal(await clockOf(b1, 'b3'), undefined, 'nothing is said');
      for (const knocked of [b3, b1]) {
        await cluster.client.knock([knocked.v4], everywhere.sequence);
        for (const host of cluster.hosts) {
          await opens(cluster, host, everywhere);
          const seconds = await leftSeconds(host);
          assert.ok(seconds > OPEN - 2 && seconds <= OPEN, `${host.name} has ${seconds} s left`);
        }
        await b1.ask('close', everywhere.name, '192.0.2.21');
        for (const host of cluster.hosts) {
          const closed = async () => (await host.status()).grants.length === 0;
          await eventually('closed', closed);
        }
      }
    });
  }

  it('by more is shown; a knock from its future opens on no other host', async () => {
    const cluster = await withClock(10_000);
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    for (const host of [b1, b2]) {
      const aheadMs = (await clockOf(host, 'b3')) ?? 0;
      assert.ok(Math.abs(aheadMs - 10_000) < 500, `${host.name} sees ${aheadMs} ms`);
      assert.equal(await clockOf(host, 'b1'), undefined);
    }
    const { stdout } = await b1.ask('status');
    assert.match(stdout, /CLOCK {2}\d+\.\d s ahead of ours/);
    await client.knock([b3.v4], everywhere.sequence);
    await opens(cluster, b3, everywhere);
    for (const host of [b1, b2]) {
      await eventually('says why', () => host.said(/ahead of ours by too much/).length > 0);
      assert.equal(await client.connects(host.v4, everywhere.port), false);
    }
    // A claim is no matter of clocks.
    await client.knock([b3.v4], FIRST);
    await opens(cluster, b3, once);
    await eventually('b1 moves on', async () => (await left(b1, once)) === SEQUENCES.length - 1);
    // What was done ten seconds ago by its clock has the rest of its time there.
    await client.knock([b1.v4], everywhere.sequence, { everyMs: 20 });
    await opens(cluster, b2, everywhere);
    assert.ok((await leftSeconds(b2)) > OPEN - 2);
  });
});
