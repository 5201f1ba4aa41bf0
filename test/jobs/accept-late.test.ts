import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { grantOf, type Running, SOURCE, TestHost } from './host.js';
import { assertClosedAfter, assertNear, assertOpenFor } from './on-time.js';

describe('a grant that the cluster gave and that comes late', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: Running) =>
    poll(() => running.grants.status().length === 0, 'no grant is live', 8000);

  it('is open for the time that remains, counted from the end of the start command', async () => {
    const running = await host.run();
    const startCommand = `sleep 0.4; echo start >> ${host.file('late')}`;
    const door = host.door({ name: 'late', startCommand, cmdTimeoutMs: 60_000 });
    await running.grants.accept(host.order(door, { openForMs: 700.9 }));
    await assertClosedAfter(host, running, 700, 400);
    const [completed] = await host.eventsOf(running, 'Completed');
    const [opening] = await host.eventsOf(running, 'Opening');
    assert.equal(completed?.openForMs, 700);
    const provisionalMs = (opening?.until ?? 0) - (opening?.atMs ?? 0);
    assertNear(provisionalMs, 700 + door.commandTimeoutMs);
  });

  it('is as short where the kernel times it', async () => {
    const running = await host.run();
    const door = host.allowing({ cmdTimeoutMs: 60_000 });
    await running.grants.accept(host.order(door, { openForMs: 500 }));
    await assertClosedAfter(host, running, 500);
    const [opening] = await host.eventsOf(running, 'Opening');
    assertNear((opening?.until ?? 0) - (opening?.atMs ?? 0), 500);
    assert.equal(host.kernel.at(0), `open ${SOURCE}`);
    assert.equal(host.kernel.at(-1), `close ${SOURCE}`);
  });

  it('never gets more time than its door says', async () => {
    const running = await host.run();
    const door = host.door({ cmdTimeoutMs: 400 });
    await running.grants.accept(host.order(door, { openForMs: 60_000 }));
    await assertOpenFor(host, running, 400);
  });

  it('is nothing at all when no time remains', async () => {
    const running = await host.run();
    const door = host.door({ name: 'over' });
    for (const openForMs of [0, -1, 0.5, Number.NEGATIVE_INFINITY]) {
      const result = await running.grants.accept(host.order(door, { openForMs }));
      assert.deepEqual(result, { kind: 'ignored', reason: 'over' });
    }
    assert.deepEqual(await host.events(running), []);
    const instant = host.door({ name: 'instant', cmdTimeoutMs: 0 });
    assert.equal((await running.grants.accept(host.order(instant))).kind, 'opening');
    await none(running);
    assert.equal(host.lines('instant').length, 2, 'a door without time opens for none');
  });

  it('loses what it waits to be opened, and all of it if that takes too long', async () => {
    const running = await host.run({ layers: { direct: false, queue: true, reconciler: true } });
    await host.pauseJobs();
    const door = host.door({ name: 'waits', cmdTimeoutMs: 60_000 });
    const tooLate = host.door({ name: 'too-late', cmdTimeoutMs: 60_000 });
    const acceptedMs = performance.now();
    await running.grants.accept(host.order(door, { openForMs: 2500 }));
    await running.grants.accept(host.order(tooLate, { openForMs: 900 }));
    // The reconciler opens it after a second.
    await host.linesOf('waits', 1);
    const waitedMs = performance.now() - acceptedMs;
    assert.ok(waitedMs > 900, `it waited ${waitedMs} ms`);
    const [abandoned] = await host.eventsOf(running, 'Abandoned');
    assert.match(abandoned?.reason ?? '', /time was over/);
    const [opened] = await host.eventsOf(running, 'Opened');
    const openMs = (opened?.until ?? 0) - (opened?.atMs ?? 0);
    assert.ok(openMs > 0 && openMs < 1600, `open for ${openMs} ms`);
    await running.grants.closeAll('exit');
    assert.deepEqual(host.lines('too-late'), []);
  });

  it('gives a live grant its own time, which may be less than that has left', async () => {
    const running = await host.run();
    const door = host.door({ cmdTimeoutMs: 800 });
    const { grants } = running;
    const first = grantOf(await grants.complete(host.completion(door)));
    const [opened] = await host.eventsOf(running, 'Opened');
    const extended = await grants.accept(host.order(door, { openForMs: 100 }));
    assert.deepEqual(extended, { kind: 'extended', grant: first });
    const left = () => (grants.status()[0]?.leftSeconds ?? 0) * 1000;
    assert.ok(left() > 500, `${left()} ms left`);
    await poll(() => left() < 300, 'most of the time is over');
    await grants.accept(host.order(door, { openForMs: 600 }));
    assertNear(left(), 600);
    await none(running);
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.ok((closing?.atMs ?? 0) - (opened?.until ?? 0) > 200, 'it was open longer');
    const [one, other] = await host.eventsOf(running, 'Abandoned', 2);
    assert.equal(one?.reason, `it extended ${first}`);
    assert.equal(other?.reason, `it extended ${first}`);
  });

  it('is open as long as its door says after a knock here while it opens', async () => {
    const running = await host.run();
    const door = host.door({ startCommand: 'sleep 0.4', cmdTimeoutMs: 900 });
    const late = grantOf(await running.grants.accept(host.order(door, { openForMs: 200 })));
    await host.eventsOf(running, 'Opening');
    const result = await running.grants.complete(host.completion(door));
    assert.deepEqual(result, { kind: 'extended', grant: late });
    await assertOpenFor(host, running, 900);
  });
}).timeout(20_000);
