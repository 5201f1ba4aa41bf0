import assert from 'node:assert/strict';
import { newGrant } from '../../machines/grant.js';
import { systemClock } from '../../src/clock.js';
import { Arbiter } from '../../src/jobs/arbiter.js';
import { exclusionKey, jobId } from '../../src/jobs/keys.js';
import { createLedger } from '../../src/jobs/ledger.js';
import { createRegistry } from '../../src/jobs/registry.js';
import { silentLog } from '../../src/log/types.js';
import { testDoor } from '../support/door.js';
import { MemoryJournal } from '../support/memory-journal.js';

describe('the grants that a host holds', () => {
  const context = {
    ledger: createLedger(new MemoryJournal(), silentLog),
    clock: systemClock,
    log: silentLog,
    closeBackoffMs: () => 1,
    scheduleClose: () => {},
    reach: () => {},
  };
  const arbiter = (id: string, grant = `a-host-${id}`) =>
    new Arbiter(
      {
        state: newGrant({
          id: grant,
          host: 'a-host',
          door: 'test',
          source: '192.0.2.1',
          configuration: `c${id}`,
          eventId: id,
          completedAtMs: 0,
          knockedAtMs: 0,
        }),
        door: testDoor(),
        sinks: [],
        key: undefined,
      },
      context,
    );

  it('tell the oldest Completed that is needed, as numbers, so that a trim never cuts it off', () => {
    const registry = createRegistry();
    assert.equal(registry.oldest(), undefined);
    for (const id of ['1000-0', '999-10', '999-9']) registry.add(arbiter(id));
    assert.equal(registry.oldest(), '999-9');
    // The ids of the cluster's grants say nothing about this host's journal.
    registry.add(arbiter('998-0', 'other-5000-1'));
    registry.add(arbiter('2000-0', 'other-1-1'));
    assert.equal(registry.oldest(), '998-0');
  });

  it('tell the configurations they refer to, and are forgotten when they are done', async () => {
    const registry = createRegistry();
    const one = arbiter('1-0');
    registry.add(one);
    assert.deepEqual([...registry.referenced()], ['c1-0']);
    one.abandon('x');
    await one.finished;
    assert.equal(registry.find(one.id), undefined);
    assert.deepEqual([...registry.referenced()], []);
  });

  it('have job ids without a colon, whatever the host is called', () => {
    assert.equal(jobId('close', 'fe80::1-17-0', 2), 'fe80%3A%3A1-17-0.close.2');
  });

  it('exclude each other by door and source, or by door where no command names the source (G9)', () => {
    const own = testDoor({ startCommand: 'a %IP%', stopCommand: 'b %IP%' });
    const shared = testDoor({ startCommand: 'a', stopCommand: 'b' });
    const other = { ...own, stopCommand: 'c %IP%' };
    assert.notEqual(exclusionKey(own, '192.0.2.1'), exclusionKey(own, '192.0.2.2'));
    assert.equal(exclusionKey(shared, '192.0.2.1'), exclusionKey(shared, '2001:db8::1'));
    assert.notEqual(exclusionKey(own, '192.0.2.1'), exclusionKey(other, '192.0.2.1'));
    assert.equal(exclusionKey({ ...own, reknock: 'rerun' }, '192.0.2.1'), undefined);
    assert.equal(exclusionKey(testDoor({ startCommand: 'a' }), '192.0.2.1'), undefined);
  });

  it('exclude each other by source where a module acts, and not where a sink only tells', () => {
    const acts = testDoor({ startCommand: 'a', stopCommand: 'b', sinks: ['module:gate'] });
    assert.notEqual(exclusionKey(acts, '192.0.2.1'), exclusionKey(acts, '192.0.2.2'));
    const alone = testDoor({ sinks: ['webhook:ops', 'module:gate'] });
    const other = testDoor({ sinks: ['module:other'] });
    assert.notEqual(exclusionKey(alone, '192.0.2.1'), undefined);
    assert.notEqual(exclusionKey(alone, '192.0.2.1'), exclusionKey(other, '192.0.2.1'));
    assert.equal(exclusionKey(testDoor({ sinks: ['webhook:ops'] }), '192.0.2.1'), undefined);
  });

  it('exclude each other by source where the door allows something, whatever its commands name', () => {
    const ssh = [{ protocol: 'tcp', from: 22, to: 22 }] as const;
    const one = testDoor({ allow: ssh });
    const other = testDoor({ allow: [{ protocol: 'udp', from: 53, to: 53 }] });
    const both = testDoor({ allow: ssh, startCommand: 'a', stopCommand: 'b' });
    for (const door of [one, both]) {
      assert.notEqual(exclusionKey(door, '192.0.2.1'), exclusionKey(door, '192.0.2.2'));
      assert.equal(exclusionKey({ ...door, reknock: 'rerun' }, '192.0.2.1'), undefined);
    }
    assert.notEqual(exclusionKey(one, '192.0.2.1'), exclusionKey(other, '192.0.2.1'));
    assert.ok(exclusionKey(testDoor({ allow: ssh, startCommand: 'a' }), '192.0.2.1'));
  });
});
