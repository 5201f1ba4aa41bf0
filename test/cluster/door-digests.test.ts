import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import type { Door } from '../../config/types.js';
import { compareDoors, doorDigests } from '../../src/cluster/door-digests.js';
import type { ClusterKeys } from '../../src/cluster/types.js';
import { testDoor } from '../support/door.js';

function keysOf(...fill: readonly number[]): ClusterKeys {
  const all = fill.map((byte) => createSecretKey(Buffer.alloc(32, byte)));
  return { signing: all[0]!, all };
}

function differ(one: Partial<Door>, other: Partial<Door>, a = keysOf(1), b = a): boolean {
  const digests = [
    doorDigests({ doors: [testDoor(one)] }, a),
    doorDigests({ doors: [testDoor(other)] }, b),
  ];
  const [here, there] = digests.map((doors) => new Map(Object.entries(doors)));
  const { missingHere, missingThere, differ: names } = compareDoors(here!, there!);
  assert.deepEqual([missingHere, missingThere], [[], []]);
  return names.length > 0;
}

const fixed = (...ports: readonly number[]): Partial<Door> => ({
  sequence: { kind: 'fixed', knocks: ports.map((port) => ({ port, protocol: 'tcp' })) },
});
const oneTime = (file: string): Partial<Door> => ({ sequence: { kind: 'oneTime', file } });

describe('the digests of doors', () => {
  it('differ where hosts must agree', () => {
    const changes: Partial<Door>[] = [
      fixed(7000, 7001),
      fixed(7001),
      { sequence: { kind: 'fixed', knocks: [{ port: 7000, protocol: 'udp' }] } },
      oneTime('/etc/a'),
      { seqTimeoutMs: 5001 },
      { cmdTimeoutMs: 10_001 },
      { cooldownMs: 1 },
      { tcpFlags: { required: 2, excluded: 0 } },
      { tcpFlags: { required: 0, excluded: 2 } },
      { allow: [{ protocol: 'tcp', from: 22, to: 22 }] },
      { killEstablished: true },
      { reknock: 'rerun' },
      { runOn: 'everywhere' },
      { runOn: 'once' },
    ];
    for (const change of changes) assert.ok(differ(fixed(7000), { ...fixed(7000), ...change }));
    assert.ok(differ(fixed(7000, 7001), fixed(7001, 7000)));
  });

  it('are the same where each host may have its own', () => {
    const own: Partial<Door> = {
      target: '192.0.2.1',
      startCommand: 'a',
      stopCommand: 'b',
      line: 9,
    };
    assert.equal(differ({}, { ...own, commandTimeoutMs: 1, stopRetries: 1 }), false);
    assert.equal(differ(oneTime('/etc/a'), oneTime('/etc/b')), false);
    const rules = [22, 80].map((port) => ({ protocol: 'tcp' as const, from: port, to: port }));
    assert.equal(differ({ allow: rules }, { allow: rules.toReversed() }), false);
  });

  it('agree amid a rotation as long as one key is common', () => {
    assert.equal(differ({}, {}, keysOf(1, 2), keysOf(2, 1)), false);
    assert.equal(differ({}, {}, keysOf(1, 2), keysOf(2)), false);
    assert.equal(differ({}, {}, keysOf(1), keysOf(2, 1)), false);
    assert.equal(differ({}, {}, keysOf(1), keysOf(2)), true);
    assert.equal(differ(fixed(7000), fixed(7001), keysOf(1, 2), keysOf(2, 1)), true);
  });

  it('follow the keys, and a configuration that is loaded anew', () => {
    const configuration = { doors: [testDoor(fixed(7000))] };
    const before = doorDigests(configuration, keysOf(1));
    assert.deepEqual(doorDigests(configuration, keysOf(1)), before);
    assert.notDeepEqual(doorDigests(configuration, keysOf(2)), before);
    assert.notDeepEqual(doorDigests({ doors: [testDoor(fixed(7001))] }, keysOf(1)), before);
  });

  it('tell who lacks a door', () => {
    const there = new Map([
      ['ssh', 'a'],
      ['web', 'b'],
    ]);
    const here = new Map([
      ['ssh', 'a'],
      ['backup', 'c'],
    ]);
    assert.deepEqual(compareDoors(here, there), {
      missingHere: ['web'],
      missingThere: ['backup'],
      differ: [],
    });
  });

  it('are of no use without the key, and differ by door', () => {
    const doors = ['a', 'b'].map((name) => testDoor({ ...fixed(7000), name }));
    const digests = Object.values(doorDigests({ doors }, keysOf(1)));
    assert.equal(new Set(digests).size, 2);
    for (const digest of digests) assert.match(digest, /^[\w-]{16}$/);
  });
});
