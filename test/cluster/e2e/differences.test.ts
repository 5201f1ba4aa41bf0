import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.js';
import type { Bastion } from '../lab/bastion.js';
import { useClusters } from '../lab/cluster.js';
import { kernelDoor, withDoors } from './doors.js';

const same = kernelDoor('same', [7001, 9001, 8001], 2221, { runOn: 'everywhere' });
const missing = kernelDoor('missing', [7002, 9002, 8002], 2222, { runOn: 'everywhere' });
const extra = kernelDoor('extra', [7003, 9003, 8003], 2223);
const changed = kernelDoor('changed', [7004, 9004, 8004], 2224, { runOn: 'everywhere' });
const otherwise = { ...changed, sequence: [7005, 9005, 8005] };

describe('hosts with different configurations', function () {
  this.timeout(120_000);
  const make = useClusters();

  const seenBy = async (host: Bastion, name: string) =>
    (await host.cluster()).hosts.find((each) => each.host === name);

  it('are shown in the status of each, and a door that a host lacks is opened where it is', async () => {
    const doorsOf = ({ name }: Bastion) =>
      name === 'b3' ? [same, otherwise, extra] : [same, missing, changed];
    const cluster = await make({
      configuration: (host) => withDoors(doorsOf(host)).configuration(host),
    });
    const { client, hosts } = cluster;
    const [b1, b2, b3] = hosts;
    assert.ok(b1 && b2 && b3);
    await cluster.together();
    const { doorsMissingHere, doorsMissingThere, doorsThatDiffer } = (await seenBy(b1, 'b3')) ?? {};
    assert.deepEqual(
      [doorsMissingHere, doorsMissingThere, doorsThatDiffer],
      [['extra'], ['missing'], ['changed']],
    );
    const there = await seenBy(b3, 'b1');
    assert.deepEqual([there?.doorsMissingHere, there?.doorsMissingThere], [['missing'], ['extra']]);
    const alike = await seenBy(b1, 'b2');
    assert.deepEqual([alike?.doorsMissingThere, alike?.doorsThatDiffer], [[], []]);
    const { code, stdout } = await b1.ask('status');
    assert.equal(code, 0);
    for (const name of ['extra', 'missing', 'changed']) assert.match(stdout, new RegExp(name));
    for (const { sequence } of [missing, otherwise, changed]) {
      assert.doesNotMatch(stdout, new RegExp(sequence.join('|')), 'no port of a sequence');
    }

    await client.knock([b1.v4], missing.sequence);
    await eventually('b2 opens', () => client.connects(b2.v4, missing.port));
    await eventually('b3 says so', () => b3.said(/it has no such door/).length === 1);
  });

  it('are the same again once the one that differed was reloaded', async () => {
    let isMended = false;
    const { hosts } = await make({
      bastions: 2,
      configuration: (host) => {
        const differs = host.name === 'b2' && !isMended;
        return withDoors([same, differs ? otherwise : changed]).configuration(host);
      },
    });
    const [b1, b2] = hosts;
    assert.ok(b1 && b2);
    const differing = async () => (await seenBy(b1, 'b2'))?.doorsThatDiffer;
    await eventually('seen', async () => (await differing())?.length === 1, { withinMs: 10_000 });
    isMended = true;
    await b2.reload();
    await eventually('mended', async () => (await differing())?.length === 0, { withinMs: 10_000 });
  });
});
