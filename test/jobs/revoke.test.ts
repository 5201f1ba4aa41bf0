import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { Door } from '../../config/types.js';
import { poll } from '../support/poll.js';
import { grantOf, type Running, SOURCE, TestHost } from './host.js';

const OTHER = '192.0.2.2';
const START = `start ${SOURCE}`;
const STOP = `stop ${SOURCE}`;

describe('a revocation', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const open = async (running: Running, door: Door, source = SOURCE) => {
    const grant = grantOf(await running.grants.complete(host.completion(door, { source })));
    await poll(
      () => running.grants.status().some((each) => each.grant === grant && each.state === 'open'),
      'open',
    );
    return grant;
  };
  const state = (running: Running, grant: string) =>
    running.grants.status().find((each) => each.grant === grant)?.state;
  const is = (running: Running, grant: string, wanted: string | undefined) =>
    poll(() => state(running, grant) === wanted, `${grant} is ${wanted}`);
  const causes = async (running: Running) =>
    (await host.events(running)).flatMap((event) =>
      event.type === 'Closing' ? [event.cause] : [],
    );

  it('closes what is open now, by command and in the kernel, of that door and source alone', async () => {
    const running = await host.run();
    const allow = [{ protocol: 'tcp', from: 22, to: 22 }] as const;
    const both = host.door({ name: 'both', allow, cmdTimeoutMs: 60_000 });
    const other = host.door({ name: 'other', cmdTimeoutMs: 60_000 });
    await open(running, both);
    const spared = [await open(running, both, OTHER), await open(running, other)];
    assert.equal(await running.grants.revoke('both', SOURCE), 1);
    assert.deepEqual(
      running.grants.status().map(({ grant }) => grant),
      spared,
    );
    assert.deepEqual(host.lines('both'), [START, `start ${OTHER}`, STOP]);
    assert.equal(host.kernel.at(-1), `close ${SOURCE}`);
    assert.deepEqual(await causes(running), ['revoked']);
    await open(running, both);
    await running.grants.closeAll('exit');
  });

  it('says that nothing was open', async () => {
    const running = await host.run();
    const door = host.door({ name: 'idle', cmdTimeoutMs: 60_000 });
    assert.equal(await running.grants.revoke('idle', SOURCE), 0);
    const grant = await open(running, door);
    assert.equal(await running.grants.revoke('idle', OTHER), 0);
    assert.equal(await running.grants.revoke('no such door', SOURCE), 0);
    assert.equal(state(running, grant), 'open');
    await running.grants.closeAll('exit');
  });

  it('keeps from opening what waits for it', async () => {
    const running = await host.run({ layers: { direct: false, queue: true, reconciler: false } });
    await host.pauseJobs();
    const timed = host.allowing();
    await running.grants.accept(host.order(timed));
    assert.equal(await running.grants.revoke(timed.name, SOURCE), 1);
    const door = host.door({ name: 'waits' });
    const local = grantOf(await running.grants.complete(host.completion(door)));
    const source = OTHER;
    const order = host.order(door, { source });
    const given = grantOf(await running.grants.accept(order));
    assert.equal(await running.grants.revoke('waits', SOURCE), 1);
    assert.equal(await running.grants.revoke('waits', OTHER), 1);
    const [, ...abandoned] = await host.eventsOf(running, 'Abandoned', 3);
    assert.deepEqual(
      abandoned.map(({ grant }) => grant),
      [local, given],
    );
    assert.deepEqual(await running.grants.accept(order), { kind: 'repeated' });
    await running.stop();
    await host.redis.hdel('postern:open:meta', 'paused');
    const next = await host.run();
    assert.deepEqual(next.grants.status(), []);
    await open(next, host.door({ name: 'meanwhile', cmdTimeoutMs: 60_000 }));
    assert.deepEqual(host.lines('waits'), []);
    assert.deepEqual(host.kernel, []);
    await next.grants.closeAll('exit');
  });

  it('ends a start command that is running, and runs the stop command', async () => {
    const running = await host.run();
    const file = host.file('opening');
    const startCommand = `echo begun >> ${file}; sleep 30; echo opened >> ${file}`;
    const door = host.door({ name: 'opening', startCommand, cmdTimeoutMs: 60_000 });
    await running.grants.accept(host.order(door));
    await host.linesOf('opening', 1);
    const begun = performance.now();
    assert.equal(await running.grants.revoke('opening', SOURCE), 1);
    assert.ok(performance.now() - begun < 2500);
    assert.deepEqual(host.lines('opening'), ['begun', STOP]);
    assert.deepEqual(running.grants.status(), []);
    assert.deepEqual(await causes(running), ['revoked']);
  });

  it('does not take with it a knock that comes while it ends the opening', async () => {
    const running = await host.run();
    const file = host.file('crossing');
    // The first time it takes a while to end.
    const startCommand = `trap '' TERM; echo begun >> ${file}; test $(wc -l < ${file}) -gt 1 || sleep 30`;
    const door = host.door({ name: 'crossing', startCommand, cmdTimeoutMs: 60_000 });
    const first = grantOf(await running.grants.complete(host.completion(door)));
    await host.linesOf('crossing', 1);
    const revoking = running.grants.revoke('crossing', SOURCE);
    await new Promise((resolve) => setImmediate(resolve));
    const second = await running.grants.complete(host.completion(door));
    assert.equal(second.kind, 'opening');
    assert.notEqual(grantOf(second), first);
    assert.equal(await revoking, 1);
    assert.equal(state(running, first), undefined);
    await is(running, grantOf(second), 'open');
    assert.deepEqual(host.lines('crossing'), ['begun', STOP, 'begun']);
    await running.grants.closeAll('exit');
  });

  it('waits for a close that is under way, and repeats none', async () => {
    const running = await host.run();
    const file = host.file('closing');
    const stopCommand = `echo stopping >> ${file}; sleep 0.5; echo stopped >> ${file}`;
    const door = host.door({ name: 'closing', stopCommand, cmdTimeoutMs: 100 });
    await running.grants.complete(host.completion(door));
    await host.linesOf('closing', 2);
    assert.equal(await running.grants.revoke('closing', SOURCE), 1);
    assert.deepEqual(host.lines('closing'), [START, 'stopping', 'stopped']);
    assert.deepEqual(await causes(running), ['deadline']);
  });

  it('closes also what waits behind a grant that is being closed: it never opens', async () => {
    const running = await host.run();
    const file = host.file('held');
    const stopCommand = `echo stopping >> ${file}; sleep 0.5; echo stopped >> ${file}`;
    const door = host.door({ name: 'held', stopCommand, cmdTimeoutMs: 100 });
    await running.grants.complete(host.completion(door));
    await host.linesOf('held', 2);
    assert.equal((await running.grants.accept(host.order(door))).kind, 'opening');
    assert.equal(await running.grants.revoke('held', SOURCE), 2);
    assert.deepEqual(running.grants.status(), []);
    await open(running, host.door({ name: 'next', cmdTimeoutMs: 60_000 }));
    assert.deepEqual(host.lines('held'), [START, 'stopping', 'stopped']);
    await running.grants.closeAll('exit');
  });

  it('tries again at once what failed to close, for good or for now', async () => {
    const running = await host.run();
    const repaired = host.file('repaired');
    const stopCommand = `test -e ${repaired}`;
    const stuck = host.door({ name: 'stuck', stopCommand, stopRetries: 0, cmdTimeoutMs: 100 });
    const grant = grantOf(await running.grants.complete(host.completion(stuck)));
    await is(running, grant, 'failed');
    assert.equal(await running.grants.revoke('stuck', SOURCE), 0);
    assert.equal(state(running, grant), 'failed');
    await running.exec
      .sink({ ...stuck, startCommand: `touch ${repaired}` }, 4)
      ?.open(
        { id: 'x', host: 'x', door: 'x', source: SOURCE, untilMs: null, leftMs: null },
        new AbortController().signal,
      );
    assert.ok(existsSync(repaired));
    assert.equal(await running.grants.revoke('stuck', SOURCE), 1);
    assert.deepEqual(running.grants.status(), []);
    assert.deepEqual(await causes(running), ['deadline', 'revoked', 'revoked']);
    assert.equal(await running.grants.revoke('stuck', SOURCE), 0);
    await running.stop();
    assert.deepEqual((await host.run()).grants.status(), []);
  });

  it('resolves after five seconds though a stop command takes longer, which goes on', async () => {
    const running = await host.run();
    const stopCommand = `sleep 6; echo stopped >> ${host.file('slow')}`;
    const door = host.door({ name: 'slow', stopCommand, cmdTimeoutMs: 60_000 });
    const grant = await open(running, door);
    const begun = performance.now();
    assert.equal(await running.grants.revoke('slow', SOURCE), 0);
    const tookMs = performance.now() - begun;
    assert.ok(tookMs > 4900 && tookMs < 5500, `took ${tookMs} ms`);
    assert.equal(state(running, grant), 'closing');
    await is(running, grant, undefined);
    assert.deepEqual(host.lines('slow'), [START, 'stopped']);
  });

  it('closes a door that opens for everyone, whoever is named (G9)', async () => {
    const running = await host.run();
    const stopCommand = `echo stop >> ${host.file('everyone')}`;
    const door = host.door({
      ...{ name: 'everyone', startCommand: 'true', stopCommand, cmdTimeoutMs: 60_000 },
    });
    await open(running, door);
    assert.equal(await running.grants.revoke('everyone', '2001:db8::7'), 1);
    assert.deepEqual(host.lines('everyone'), ['stop']);
  });

  it('lets be what has nothing to take back', async () => {
    const running = await host.run();
    const file = host.file('trigger');
    const startCommand = `echo begun >> ${file}; sleep 0.5; echo done >> ${file}`;
    const { stopCommand: _, ...door } = host.door({ name: 'trigger', startCommand });
    await running.grants.complete(host.completion(door));
    await host.linesOf('trigger', 1);
    assert.equal(await running.grants.revoke('trigger', SOURCE), 0);
    assert.equal(running.grants.status().length, 1);
    await host.linesOf('trigger', 2);
    const [opened] = await host.eventsOf(running, 'Opened');
    assert.ok(opened);
  });

  it('closes what was on its way into the journal when it came', async () => {
    const running = await host.run();
    const door = host.door({ name: 'on-its-way', cmdTimeoutMs: 60_000 });
    const order = host.order(door);
    const [result, closed] = await host.frozen(async () => {
      const accepting = running.grants.accept(order);
      const revoking = running.grants.revoke('on-its-way', SOURCE);
      setTimeout(() => process.kill(host.redisPid, 'SIGCONT'), 200);
      return Promise.all([accepting, revoking]);
    });
    assert.equal(result.kind, 'opening');
    assert.equal(closed, 1);
    assert.deepEqual(running.grants.status(), []);
  });

  describe('of a time', () => {
    it('spares what was knocked for later, by the clock of the host that was knocked', async () => {
      const running = await host.run();
      const door = host.door({ name: 'timed', reknock: 'rerun', cmdTimeoutMs: 60_000 });
      const knocked = [1000, 3000].map((agoMs) => Date.now() - agoMs);
      for (const knockedAtMs of knocked) {
        await running.grants.accept(host.order(door, { knockedAtMs }));
      }
      await host.eventsOf(running, 'Opened', 2);
      const [late = 0, early = 0] = knocked;
      assert.equal(await running.grants.revoke('timed', SOURCE, early - 1), 0);
      assert.equal(await running.grants.revoke('timed', SOURCE, early), 1);
      assert.equal(await running.grants.revoke('timed', SOURCE, late - 1), 0);
      assert.equal(await running.grants.revoke('timed', SOURCE, Date.now()), 1);
    });

    it('spares what was knocked for again since, here or elsewhere, also after a restart', async () => {
      const before = await host.run();
      const here = host.door({ name: 'here', cmdTimeoutMs: 60_000 });
      const there = host.door({ name: 'there', cmdTimeoutMs: 60_000 });
      const revokedAtMs = Date.now() - 1000;
      for (const door of [here, there]) {
        await before.grants.accept(host.order(door, { knockedAtMs: revokedAtMs - 1000 }));
      }
      await host.eventsOf(before, 'Opened', 2);
      await before.grants.complete(host.completion(here));
      await before.grants.accept(host.order(there, { knockedAtMs: revokedAtMs + 1 }));
      await host.eventsOf(before, 'Extended', 2);
      const spared = async (running: Running) => {
        assert.equal(await running.grants.revoke('here', SOURCE, revokedAtMs), 0);
        assert.equal(await running.grants.revoke('there', SOURCE, revokedAtMs), 0);
      };
      await spared(before);
      await before.crash();
      const after = await host.run();
      await spared(after);
      assert.equal(await after.grants.revoke('there', SOURCE, revokedAtMs + 1), 1);
      assert.equal(await after.grants.revoke('here', SOURCE), 1);
    });

    it('spares an opening that was knocked for again since', async () => {
      const running = await host.run();
      const door = host.door({ name: 'slowly', startCommand: 'sleep 0.5', cmdTimeoutMs: 60_000 });
      const knockedAtMs = Date.now() - 1000;
      const grant = grantOf(await running.grants.accept(host.order(door, { knockedAtMs })));
      await host.eventsOf(running, 'Opening');
      await running.grants.complete(host.completion(door));
      assert.equal(await running.grants.revoke('slowly', SOURCE, knockedAtMs), 0);
      await is(running, grant, 'open');
      assert.equal(await running.grants.revoke('slowly', SOURCE), 1);
    });
  });
}).timeout(20_000);
