import assert from 'node:assert/strict';
import { foldGrants } from '../../src/jobs/fold.js';
import { poll } from '../support/poll.js';
import { grantOf, type Running, SOURCE, TestHost } from './host.js';

describe('while the journal is out of reach (T14)', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: Running, withinMs = 5000) =>
    poll(() => running.grants.status().length === 0, 'no grant is live', withinMs);

  const frozen = (act: () => Promise<void>) => host.frozen(act);

  async function within<T>(ms: number, act: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await act();
    } finally {
      const tookMs = performance.now() - begun;
      assert.ok(tookMs < ms, `took ${Math.round(tookMs)} ms`);
    }
  }

  it('a door that the kernel times opens, says so, and closes on time; the journal learns it later', async () => {
    const running = await host.run();
    const door = host.allowing();
    let grant = '';
    await frozen(async () => {
      const knocked = host.completion(door);
      const result = await within(1300, () => running.grants.complete(knocked));
      grant = grantOf(result);
      assert.deepEqual(result, { kind: 'opening', grant, unjournalled: true });
      assert.deepEqual(host.kernel, [`open ${SOURCE}`]);
      const [status] = running.grants.status();
      assert.equal(status?.unjournalled, true);
      assert.ok(host.log.entries.some(({ message }) => /without the journal/.test(message)));
      const opened = performance.now();
      await poll(() => host.kernel.length === 2, 'closed');
      const openMs = performance.now() - opened;
      assert.ok(openMs > 900 && openMs < 2000, `open for ${openMs} ms`);
    });
    await host.eventsOf(running, 'Closed', 1, 8000);
    await none(running);
    const events = await host.events(running);
    const told = events.filter((event) => 'grant' in event && event.grant === grant);
    // What Redis did not confirm in time may stand there twice.
    const types = [...new Set(told.map(({ type }) => type))];
    assert.deepEqual(types, ['Opening', 'Opened', 'Closing', 'Closed']);
    const late = told.some((event) => event.type === 'Opening' && event.happenedAtMs);
    assert.ok(late, 'it says that it was written late, and when it happened');
    const open = await foldGrants(events);
    assert.equal(open.size, 0);
    assert.deepEqual(host.kernel, [`open ${SOURCE}`, `close ${SOURCE}`]);
  });

  it('it is no longer called unjournalled once the journal knows of it', async () => {
    const running = await host.run();
    const door = host.allowing({ cmdTimeoutMs: 60_000 });
    await frozen(async () => {
      await running.grants.complete(host.completion(door));
    });
    await poll(() => running.grants.status()[0]?.unjournalled === undefined, 'it is known', 8000);
    assert.equal(running.grants.status()[0]?.state, 'open');
    await running.crash();
    const next = await host.run();
    assert.deepEqual(host.kernel, [`open ${SOURCE}`, `restore ${SOURCE}`]);
    await next.grants.closeAll('exit');
  });

  it('later knocks open and extend within a second too', async () => {
    const running = await host.run();
    const door = host.allowing({ cmdTimeoutMs: 60_000 });
    await frozen(async () => {
      const first = grantOf(await running.grants.complete(host.completion(door)));
      const again = await within(1300, () => running.grants.complete(host.completion(door)));
      assert.deepEqual(again, { kind: 'extended', grant: first });
      const source = '192.0.2.77';
      const other = host.completion(door, { source });
      const second = await within(1300, () => running.grants.complete(other));
      assert.notEqual(grantOf(second), first);
      assert.deepEqual(host.kernel, [`open ${SOURCE}`, `extend ${SOURCE}`, `open ${source}`]);
    });
    await poll(() => running.grants.status().every((grant) => !grant.unjournalled), 'known', 8000);
    await running.grants.closeAll('exit');
    assert.equal((await foldGrants(await host.events(running))).size, 0);
  });

  it('a door with a command, and a one-time door, are refused within a second', async () => {
    const running = await host.run();
    const command = host.door({ name: 'command', allow: host.allowing().allow });
    const oneTime = host.allowing({
      name: 'once',
      sequence: { kind: 'oneTime', file: '/dev/null' },
    });
    const knocks = [
      host.completion(command),
      host.completion(oneTime, { claim: 'digest-9' }),
      host.completion(oneTime, { claim: 'digest-9' }),
    ];
    await frozen(async () => {
      for (const knock of knocks) {
        const refused = within(1300, () => running.grants.complete(knock));
        await assert.rejects(refused, { code: 'POSTERN_E_JOURNAL' });
      }
      await poll(() => running.grants.status().length === 0, 'none is left');
    });
    assert.deepEqual(host.kernel, []);
    assert.deepEqual(host.lines('command'), []);
  });

  it('events of a long outage are written in their order', async () => {
    const running = await host.run();
    const door = host.allowing({ cmdTimeoutMs: 200 });
    const sources = [1, 2, 3, 4, 5].map((last) => `198.51.100.${last}`);
    await frozen(async () => {
      const knocks = sources.map((source) => host.completion(door, { source }));
      await Promise.all(knocks.map((knock) => running.grants.complete(knock)));
      await poll(() => host.kernel.length === 10, 'all opened and closed');
    });
    await host.eventsOf(running, 'Closed', 5, 8000);
    for (const source of sources) {
      const all = await host.events(running);
      const opening = all.find((event) => event.type === 'Opening' && event.source === source);
      assert.ok(opening?.type === 'Opening');
      const types = all.flatMap((event) =>
        'grant' in event && event.grant === opening.grant ? [event.type] : [],
      );
      assert.deepEqual([...new Set(types)], ['Opening', 'Opened', 'Closing', 'Closed']);
    }
  });
}).timeout(20_000);
