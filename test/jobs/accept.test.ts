import assert from 'node:assert/strict';
import { systemClock } from '../../src/clock.js';
import type { AcceptedOrder } from '../../src/jobs/types.js';
import { poll } from '../support/poll.js';
import { grantOf, HOST, type Running, SOURCE, TestHost } from './host.js';
import { assertClosedAfter, assertClosedOnTime } from './on-time.js';

const FIRST_AND_LAST = [`start ${SOURCE}`, `stop ${SOURCE}`];

describe('a grant that the cluster gave', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: Running, withinMs = 8000) =>
    poll(() => running.grants.status().length === 0, 'no grant is live', withinMs);

  it('opens under the name that the cluster gave it, says who was knocked and when, and closes', async () => {
    const running = await host.run();
    const door = host.door({ name: 'given', cmdTimeoutMs: 300 });
    const order = host.order(door, { grant: 'other-17-42', knockedAtMs: Date.now() - 50 });
    const result = await running.grants.accept(order);
    assert.deepEqual(result, { kind: 'opening', grant: 'other-17-42' });
    await host.eventsOf(running, 'Opened');
    const [status] = running.grants.status();
    assert.equal(status?.grant, 'other-17-42');
    assert.equal(status.from, 'other');
    await none(running);
    const events = await host.events(running);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['Completed', 'Opening', 'Opened', 'Closing', 'Closed'],
    );
    const [completed] = events;
    assert.ok(completed?.type === 'Completed');
    const { grant, from, knockedAtMs, host: writer, openForMs } = completed;
    assert.deepEqual([grant, from, writer], ['other-17-42', 'other', HOST]);
    assert.equal(knockedAtMs, order.knockedAtMs);
    assert.equal(openForMs, undefined, 'as long as its door says');
    assert.ok(events.every((event) => !('grant' in event) || event.grant === 'other-17-42'));
    assert.deepEqual(host.lines('given'), FIRST_AND_LAST);
  });

  it('is none of another host when this one was knocked', async () => {
    const running = await host.run();
    const door = host.door({ cmdTimeoutMs: 60_000 });
    await running.grants.accept(host.order(door, { from: HOST }));
    const [status] = running.grants.status();
    assert.ok(status);
    assert.equal(status.from, undefined);
    await running.grants.closeAll('exit');
  });

  it('opens once, of ten asks at once, after its end, a restart, a trim, and a Redis that forgot it', async () => {
    const running = await host.run({ journalLength: 0 });
    const door = host.door({ name: 'once', cmdTimeoutMs: 100 });
    const order = host.order(door);
    const kinds = async (asks: Promise<{ kind: string }>[]) =>
      (await Promise.all(asks)).map(({ kind }) => kind).sort();
    const ten = Array.from({ length: 10 }, () => running.grants.accept(order));
    const nine = Array.from({ length: 9 }, () => 'repeated');
    assert.deepEqual(await kinds(ten), ['opening', ...nine]);
    await none(running);
    assert.deepEqual(await kinds([running.grants.accept(order)]), ['repeated']);
    await host.redis.flushall();
    assert.deepEqual(await kinds([running.grants.accept(order)]), ['repeated']);
    assert.deepEqual(await host.events(running), [], 'nor is it journalled');

    const second = host.order(door);
    assert.equal((await running.grants.accept(second)).kind, 'opening');
    await none(running);
    await running.stop();
    assert.equal(await host.redis.del('postern:accepted'), 1);
    let restarted = await host.run({ journalLength: 0 });
    assert.deepEqual(await kinds([restarted.grants.accept(second)]), ['repeated']);
    await restarted.stop();
    await host.redis.zadd('postern:accepted', second.guardUntilMs, second.grant);
    restarted = await host.run({ journalLength: 0 });
    assert.deepEqual(await kinds([restarted.grants.accept(second)]), ['repeated']);
    await restarted.journal.trim(undefined);
    assert.deepEqual(await host.events(restarted), []);
    await restarted.crash();
    const third = await host.run();
    assert.deepEqual(await kinds([third.grants.accept(second)]), ['repeated']);
    assert.deepEqual(await host.events(third), []);
    assert.deepEqual(host.lines('once'), [...FIRST_AND_LAST, ...FIRST_AND_LAST]);
  });

  it('uses up the claim of this host, which need not be new', async () => {
    const running = await host.run();
    const door = host.door({ cmdTimeoutMs: 100 });
    await running.grants.complete(host.completion(door, { claim: 'digest-1' }));
    await none(running);
    const opening = await running.grants.accept(host.order(door, { claim: 'digest-1' }));
    assert.equal(opening.kind, 'opening');
    await none(running);
    await running.grants.accept(host.order(door, { claim: 'digest-2' }));
    const spent = await running.grants.complete(host.completion(door, { claim: 'digest-2' }));
    assert.deepEqual(spent, { kind: 'spent' });
  });

  it('heeds cooldown and reknock as a knock here does', async () => {
    const running = await host.run();
    const { grants } = running;
    const cool = host.door({ name: 'cool', cooldownMs: 60_000, cmdTimeoutMs: 100 });
    await grants.complete(host.completion(cool));
    await none(running);
    assert.deepEqual(await grants.accept(host.order(cool)), {
      kind: 'ignored',
      reason: 'cooldown',
    });
    const shy = host.door({ name: 'shy', reknock: 'ignore', cmdTimeoutMs: 60_000 });
    await grants.accept(host.order(shy));
    assert.deepEqual(await grants.accept(host.order(shy)), { kind: 'ignored', reason: 'reknock' });
    const rerun = host.door({ name: 'rerun', reknock: 'rerun', cmdTimeoutMs: 60_000 });
    await grants.accept(host.order(rerun));
    await grants.accept(host.order(rerun));
    assert.deepEqual(await host.linesOf('rerun', 2), [`start ${SOURCE}`, `start ${SOURCE}`]);
    await grants.closeAll('exit');
  });

  describe('without the journal', () => {
    const refused = async (running: Running, order: AcceptedOrder) => {
      const begun = performance.now();
      await assert.rejects(running.grants.accept(order), { code: 'POSTERN_E_JOURNAL' });
      const tookMs = performance.now() - begun;
      assert.ok(tookMs < 1300, `took ${tookMs} ms`);
    };

    it('is refused, also at a door that the kernel times (T14)', async () => {
      const running = await host.run();
      const door = host.allowing({ cmdTimeoutMs: 60_000 });
      const live = grantOf(await running.grants.complete(host.completion(door)));
      await host.eventsOf(running, 'Opened');
      await host.frozen(async () => {
        await refused(running, host.order(door, { source: '192.0.2.2' }));
        await refused(running, host.order(door));
        assert.deepEqual(host.kernel, [`open ${SOURCE}`], 'neither opened nor extended');
      });
      const status = running.grants.status().map(({ grant }) => grant);
      assert.deepEqual(status, [live]);
      await running.grants.closeAll('exit');
    });

    it('opens at a later try, though the first one had arrived', async () => {
      const running = await host.run();
      const door = host.door({ name: 'again', cmdTimeoutMs: 300 });
      const order = host.order(door);
      await host.frozen(() => refused(running, order));
      await host.eventsOf(running, 'Completed');
      assert.deepEqual(host.lines('again'), []);
      const tries = [1, 2, 3].map(() => running.grants.accept(order));
      const kinds = (await Promise.all(tries)).map(({ kind }) => kind).sort();
      assert.deepEqual(kinds, ['opening', 'repeated', 'repeated']);
      await none(running);
      assert.deepEqual(host.lines('again'), FIRST_AND_LAST);
      assert.equal((await host.eventsOf(running, 'Completed')).length, 1);
      assert.deepEqual(await running.grants.accept(order), { kind: 'repeated' });
    });

    it('opens at a later try when the first one never arrived', async () => {
      const running = await host.run();
      const door = host.door({ name: 'anew', cmdTimeoutMs: 300 });
      const order = host.order(door);
      await running.journal.close();
      await refused(running, order);
      await running.crash();
      const next = await host.run();
      assert.equal((await next.grants.accept(order)).kind, 'opening');
      await none(next);
      assert.deepEqual(host.lines('anew'), FIRST_AND_LAST);
    });

    it('is refused once postern is ending', async () => {
      const running = await host.run();
      const door = host.door();
      await running.stop();
      await refused(running, host.order(door));
    });
  });

  describe('after a crash', () => {
    it('is closed when it should be, under its own name, by the door it was opened by', async () => {
      const running = await host.run();
      const door = host.door({ name: 'recovered', cmdTimeoutMs: 60_000 });
      const grant = grantOf(await running.grants.accept(host.order(door, { openForMs: 1500 })));
      await host.eventsOf(running, 'Opened');
      await running.crash();
      const next = await host.run();
      const [status] = next.grants.status();
      assert.equal(status?.grant, grant);
      assert.equal(status.from, 'other');
      await assertClosedAfter(host, next, 1500);
      const [closing] = await host.eventsOf(next, 'Closing');
      assert.equal(closing?.grant, grant);
      assert.deepEqual(host.lines('recovered'), FIRST_AND_LAST);
    });

    it('is put back where the kernel times it, and closed when it should be', async () => {
      const running = await host.run();
      const door = host.allowing({ cmdTimeoutMs: 60_000 });
      await running.grants.accept(host.order(door, { openForMs: 1500 }));
      await host.eventsOf(running, 'Opened');
      await running.crash();
      const next = await host.run();
      await assertClosedAfter(host, next, 1500);
      const did = ['open', 'restore', 'close'].map((what) => `${what} ${SOURCE}`);
      // Told the deadline again, when the machine was slow to open it.
      assert.deepEqual(
        host.kernel.filter((what) => !what.startsWith('extend')),
        did,
      );
    });

    /** Accepted so long ago, and nothing more. */
    const acceptedOnly = (agoMs: number, order: AcceptedOrder) =>
      host.past(agoMs, async (journal) => {
        const { grant, door, source, configuration, from, knockedAtMs, openForMs } = order;
        await journal.accept(grant, order.guardUntilMs, {
          ...{ type: 'Completed', door: door.name, source, configuration },
          ...{ grant, from, knockedAtMs, openForMs },
        });
      });

    it('opens if it had not, for what remains then', async () => {
      const door = host.door({ name: 'resumed', cmdTimeoutMs: 60_000 });
      const order = host.order(door, { openForMs: 3200 });
      await acceptedOnly(2000, order);
      const running = await host.run();
      assert.deepEqual(await running.grants.accept(order), { kind: 'repeated' });
      const [resumed] = await host.eventsOf(running, 'Opening');
      const [opened] = await host.eventsOf(running, 'Opened');
      const agoMs = (resumed?.atMs ?? 0) - order.knockedAtMs + 2000;
      const openMs = (opened?.until ?? 0) - (opened?.atMs ?? 0);
      assert.ok(openMs <= 3200 - agoMs + 20, `open for ${openMs} ms, ${agoMs} ms later`);
      assert.ok(openMs > 0);
      await assertClosedOnTime(host, running);
      assert.deepEqual(host.lines('resumed'), FIRST_AND_LAST);
      const [opening] = await host.eventsOf(running, 'Opening');
      assert.equal(opening?.grant, order.grant);
    });

    it('is abandoned if nothing remains, or it is too old', async () => {
      const door = host.door({ name: 'abandoned', cmdTimeoutMs: 60_000 });
      await acceptedOnly(2000, host.order(door, { openForMs: 1900 }));
      await acceptedOnly(6000, host.order(door, { source: '192.0.2.2' }));
      const running = await host.run();
      await host.eventsOf(running, 'Abandoned', 2);
      const types = (await host.events(running)).map(({ type }) => type);
      assert.deepEqual(types, ['Completed', 'Completed', 'Abandoned', 'Abandoned']);
      assert.deepEqual(running.grants.status(), []);
      assert.deepEqual(host.lines('abandoned'), []);
    });
  });

  it('is not cut off from its journal while it lives, also after a restart; nor is what others need', async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    let needed: string | undefined;
    const options = { clock, journalLength: 0, keepFrom: () => needed };
    const door = host.door({ cmdTimeoutMs: 3_600_000 });
    let running = await host.run(options);
    const write = () => running.journal.append({ type: 'HostStopped' });
    const ids = async () => (await host.events(running)).map(({ id }) => id);
    const trimmed = async (first: string) => {
      aheadMs += 61_000;
      await poll(async () => (await ids())[0] === first, 'trimmed to there');
    };
    await write();
    // An id of the cluster's that would be cut off, and one that never would.
    const grants = ['other-17-42', 'other-99999999999999-0'];
    for (const [n, grant] of grants.entries()) {
      await running.grants.accept(host.order(door, { grant, source: `192.0.2.${n}` }));
    }
    await host.eventsOf(running, 'Opened', 2);
    const [completed] = await host.eventsOf(running, 'Completed', 2);
    assert.ok(completed);
    await trimmed(completed.id);
    await running.crash();
    running = await host.run(options);
    await write();
    await trimmed(completed.id);
    await running.grants.revoke(door.name, '192.0.2.0');
    const [, second] = await host.eventsOf(running, 'Completed', 2);
    assert.ok(second);
    await trimmed(second.id);
    await running.crash();
    running = await host.run(options);
    assert.deepEqual(
      running.grants.status().map(({ grant }) => grant),
      grants.slice(1),
    );
    const kept = await write();
    await write();
    await running.grants.closeAll('exit');
    needed = kept.id;
    await trimmed(kept.id);
  });

  it('is folded beside grants of a journal that a former version wrote', async () => {
    const door = host.door({ name: 'former', cmdTimeoutMs: 60_000 });
    await host.past(500, async (journal) => {
      const names = { door: door.name, source: '192.0.2.9', configuration: 'c1' };
      const { id } = await journal.append({ type: 'Completed', ...names });
      const grant = `${HOST}-${id}`;
      const until = Date.now() + 1000;
      await journal.append({ type: 'Opening', grant, ...names, until: until + 60_000 });
      await journal.append({ type: 'Opened', grant, sink: 'exec', until: until - 500 });
      await journal.append({ type: 'Extended', grant, source: names.source, until });
    });
    const running = await host.run();
    await running.grants.accept(host.order(door, { openForMs: 300 }));
    assert.equal(running.grants.status().length, 2);
    await none(running);
    const stops = host.lines('former').filter((line) => line.startsWith('stop'));
    assert.deepEqual(stops.sort(), [`stop ${SOURCE}`, 'stop 192.0.2.9']);
  });
}).timeout(20_000);
