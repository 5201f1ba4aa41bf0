import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { CLUSTER, type Cluster, useClusters } from '../lab/cluster.js';
import { started, triggerDoor, withDoors } from './doors.js';

const backup = triggerDoor('backup', [7001, 9001, 8001], 'once');
const SOURCES = [31, 32, 33, 34, 35, 36].map((last) => `192.0.2.${last}`);
/** A host that is given up, its entry taken over, on a slow machine. */
const TAKEN_OVER_MS = 10_000;

describe('doors that one host of the cluster acts on', function () {
  this.timeout(120_000);
  const make = useClusters();

  const ran = async (hosts: readonly Bastion[]) => (await Promise.all(hosts.map(started))).flat();
  const allRan = (hosts: readonly Bastion[], count: number, withinMs = TAKEN_OVER_MS) =>
    eventually(`${count} ran`, async () => (await ran(hosts)).length >= count, { withinMs });
  const assertOnce = async (hosts: readonly Bastion[], count: number) => {
    const grants = await ran(hosts);
    assert.deepEqual([grants.length, new Set(grants).size], [count, count]);
  };
  /** Entries of the queue that were given to a host and are not done with, by host. */
  const pending = async ({ redis }: Cluster) => {
    const inside = redis.connect();
    const entries = await inside.xpending(`postern:${CLUSTER}:once`, 'hosts', '-', '+', 100);
    redis.leave(inside);
    return entries.map((entry) => (Array.isArray(entry) ? String(entry[1]) : ''));
  };

  it('run once for each knock, on whichever host was knocked', async () => {
    const { client, hosts } = await make({ ...withDoors([backup]), sources: SOURCES });
    for (const [index, source] of SOURCES.entries()) {
      const host = hosts[index % hosts.length];
      assert.ok(host);
      await client.knock([host.v4], backup.sequence, { source });
    }
    await allRan(hosts, SOURCES.length);
    await assertOnce(hosts, SOURCES.length);
    for (const host of hosts) {
      const own = await started(host);
      const events = await host.events();
      const completed = events.filter(({ type }) => type === 'Completed');
      assert.equal(completed.length, own.length, 'who does not act journals nothing');
    }
  });

  it('run on another host when the one that was given the knock is killed before it acts', async () => {
    const cluster = await make({ ...withDoors([backup]), sources: SOURCES });
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    // Redis has their reads, and gives them what comes next; they sleep and never see it.
    await Promise.all([b2.kill('SIGSTOP'), b3.kill('SIGSTOP')]);
    for (const source of SOURCES) await client.knock([b1.v4], backup.sequence, { source });
    const given = async () => (await pending(cluster)).filter((host) => host !== 'b1').length;
    await eventually('hosts that sleep were given some', async () => (await given()) > 0);
    const isLate = async () => (await ran(hosts)).length >= SOURCES.length - (await given());
    await eventually('b1 ran the others', isLate);
    await Promise.all([b2.kill(), b3.kill()]);
    await allRan([b1], SOURCES.length);
    await assertOnce(hosts, SOURCES.length);
    assert.deepEqual(await pending(cluster), [], 'nothing is left to be done');
    await Promise.all([b2.start(), b3.start()]);
    await Promise.all([b2.is('joined'), b3.is('joined')]);
    await assertOnce(hosts, SOURCES.length);
  });

  it('run once when the host that was given the knock only slept, and goes on afterwards', async () => {
    const cluster = await make({ ...withDoors([backup]), sources: SOURCES });
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await Promise.all([b2.kill('SIGSTOP'), b3.kill('SIGSTOP')]);
    for (const source of SOURCES) await client.knock([b1.v4], backup.sequence, { source });
    await allRan([b1], SOURCES.length);
    await Promise.all([b2.kill('SIGCONT'), b3.kill('SIGCONT')]);
    await Promise.all([b2.is('joined'), b3.is('joined')]);
    // Whatever the sleepers still do with what they were given is behind this.
    await client.knock([b2.v4], backup.sequence);
    await allRan(hosts, SOURCES.length + 1);
    await assertOnce(hosts, SOURCES.length + 1);
  });

  it('are not given to a host that does not have the door', async () => {
    const { configuration } = withDoors([backup]);
    const other = triggerDoor('other', [7002, 9002, 8002], 'here');
    const { client, hosts } = await make({
      configuration: (host) =>
        (host.name === 'b1' ? { configuration } : withDoors([other])).configuration(host),
      sources: SOURCES,
    });
    const [b1] = hosts;
    assert.ok(b1);
    for (const source of SOURCES) await client.knock([b1.v4], backup.sequence, { source });
    await allRan([b1], SOURCES.length);
    await assertOnce(hosts, SOURCES.length);
  });
});
