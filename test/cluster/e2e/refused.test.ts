import assert from 'node:assert/strict';
import { newClusterKey } from '../../../src/cluster/keys.js';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { type Cluster, useClusters } from '../lab/cluster.js';
import { kernelDoor, left, oneTime, sequences, withDoors } from './doors.js';

const here = kernelDoor('here', [7001, 9001, 8001], 2221, { cmdTimeout: 2 });
const everywhere = kernelDoor('everywhere', [7002, 9002, 8002], 2222, { runOn: 'everywhere' });
const once = oneTime(kernelDoor('once', [], 2223));
const SEQUENCES = sequences(4);
const [FIRST = [], SECOND = []] = SEQUENCES;
const DOORS = withDoors([here, everywhere, once], { once: SEQUENCES });

const NO_PART = /THIS HOST TAKES NO PART IN THE CLUSTER/;

describe('a host that the cluster refuses', function () {
  this.timeout(120_000);
  const make = useClusters();

  /** Its own doors open and close on time; those that are shared do not, which it says. */
  const worksAlone = async ({ client }: Cluster, host: Bastion) => {
    await client.knock([host.v4], everywhere.sequence);
    await client.knock([host.v4], FIRST);
    const refusals = () => host.said(/"msg":"the door was not opened/).length;
    const before = refusals();
    await eventually('refused and said', () => refusals() >= before && refusals() >= 2);
    await client.knock([host.v4], here.sequence);
    await eventually('its own door opens', () => client.connects(host.v4, here.port));
    assert.equal(await client.connects(host.v4, everywhere.port), false);
    assert.equal(await client.connects(host.v4, once.port), false);
    await eventually('and shuts', async () => !(await client.connects(host.v4, here.port)), {
      withinMs: 6000,
    });
  };
  /** What the others have is neither spent nor opened by what is knocked at the refused one. */
  const othersGoOn = async ({ client, hosts }: Cluster, others: readonly string[]) => {
    for (const host of hosts.filter(({ name }) => others.includes(name))) {
      const { state, rejected } = await host.cluster();
      assert.deepEqual([state, rejected], ['joined', 0]);
      assert.equal(await left(host, once), SEQUENCES.length);
      assert.equal(await client.connects(host.v4, everywhere.port), false);
    }
  };

  it('for a wrong key says so at its start, works alone, and takes part once it has the right one', async () => {
    const cluster = await make({ ...DOORS, start: false });
    const { client, hosts, key } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await b3.writeKeys([newClusterKey()]);
    await Promise.all([b1.start(), b2.start()]);
    await b3.start();
    await b3.is('refused');
    assert.match((await b3.cluster()).reason ?? '', /key/);
    assert.equal(b3.said(NO_PART).length, 1);
    await worksAlone(cluster, b3);
    await othersGoOn(cluster, ['b1', 'b2']);
    assert.ok(!(await b1.cluster()).hosts.some(({ host }) => host === 'b3'));
    await b3.writeKeys([key]);
    await b3.reload();
    await b3.is('joined');
    await client.knock([b3.v4], SECOND);
    await client.knock([b3.v4], FIRST);
    await eventually('it opens what is shared', () => client.connects(b3.v4, once.port));
  });

  it('for a key file that cannot be used says so, and works alone', async () => {
    const cluster = await make({ ...DOORS, start: false });
    const { hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await b3.writeKeys([]);
    await Promise.all([b1, b2, b3].map((host) => host.start()));
    const { state, reason } = await b3.cluster();
    assert.equal(state, 'refused');
    assert.match(reason ?? '', /holds no key/);
    assert.equal(b3.said(NO_PART).length, 1);
    await worksAlone(cluster, b3);
    await othersGoOn(cluster, ['b1', 'b2']);
  });

  it('for the name of a live host says so, works alone, and takes part when that one ends', async () => {
    const cluster = await make({
      ...DOORS,
      start: false,
      // A later [options] counts.
      configuration: (host) =>
        `${host.name === 'b3' ? '[options]\n\thost = b1\n' : ''}${DOORS.configuration(host)}`,
    });
    const { hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await Promise.all([b1.start(), b2.start()]);
    await b3.start();
    await b3.is('refused');
    assert.match((await b3.cluster()).reason ?? '', /b1/);
    assert.equal(b3.said(NO_PART).length, 1);
    await worksAlone(cluster, b3);
    await othersGoOn(cluster, ['b1', 'b2']);
    assert.equal(b1.said(NO_PART).length, 0, 'who was there first stays');
    await b1.stop();
    await b3.is('joined', 20_000);
  });
});
