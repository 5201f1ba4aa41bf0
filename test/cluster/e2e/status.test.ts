import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { CLIENT, useClusters } from '../lab/cluster.js';
import { commandsDoor, started, stopped, withDoors } from './doors.js';

/** Seconds that the door is open: shorter than its host is away. */
const OPEN = 6;
const here = commandsDoor('here', [7001, 9001, 8001], 2221, { cmdTimeout: OPEN });

describe('postern status in a cluster', function () {
  this.timeout(120_000);
  const make = useClusters();

  const stateOf = async (host: Bastion, name: string) =>
    (await host.cluster()).hosts.find((each) => each.host === name)?.state;

  it('shows a host that ended, one that died, and the door that the dead one closes when it is back', async () => {
    const cluster = await make(withDoors([here]));
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await cluster.together();
    const text = (await b1.ask('status')).stdout;
    assert.match(text, /CLUSTER {2}lab: joined/);
    await client.knock([b3.v4], here.sequence);
    const shown = async () => (await b1.cluster()).grants.find(({ host }) => host === 'b3');
    await eventually('b1 shows it', async () => (await shown())?.state === 'open');
    assert.deepEqual([(await shown())?.door, (await shown())?.source], ['here', CLIENT.v4]);
    await b3.kill();
    await b2.stop();
    await eventually('b2 said goodbye', async () => (await stateOf(b1, 'b2')) === 'stopped');
    await eventually('b3 is away', async () => (await stateOf(b1, 'b3')) === 'away', {
      withinMs: 20_000,
    });
    await eventually('its time is over', async () => ((await shown())?.leftSeconds ?? 0) < 0, {
      withinMs: 10_000,
    });
    assert.match((await b1.ask('status')).stdout, /here.*192\.0\.2\.21/);
    assert.equal(await client.connects(b3.v4, here.port), true, 'nobody is there to close it');
    await b3.start();
    await eventually('b3 shuts', async () => !(await client.connects(b3.v4, here.port)));
    assert.deepEqual(await stopped(b3), await started(b3));
    await eventually('b1 shows it no more', async () => (await shown()) === undefined);
    await eventually('b3 is alive', async () => (await stateOf(b1, 'b3')) === 'alive');
  });

  it('forgets a host that will not come back when it is told so', async () => {
    const cluster = await make(withDoors([here]));
    const [b1, b2, b3] = cluster.hosts;
    assert.ok(b1 && b2 && b3);
    await cluster.together();
    assert.notEqual((await b1.ask('cluster', 'forget', 'b3')).code, 0, 'it is alive');
    await b3.stop();
    await eventually('it ended', async () => (await stateOf(b1, 'b3')) === 'stopped');
    const { code, stdout, stderr } = await b1.ask('cluster', 'forget', 'b3');
    assert.equal(code, 0, stdout + stderr);
    for (const host of [b1, b2]) {
      const forgotten = async () => (await stateOf(host, 'b3')) === undefined;
      await eventually(`${host.name} forgets`, forgotten, { withinMs: 10_000 });
    }
    await b3.start();
    await eventually(
      'it comes back all the same',
      async () => (await stateOf(b1, 'b3')) === 'alive',
    );
  });
});
