import assert from 'node:assert/strict';
import type { ModuleSettings } from '../../../sinks/settings.js';
import type { Sink } from '../../../sinks/types.js';
import { grantOf, type Running, SOURCE, TestHost } from '../../jobs/host.js';
import { poll } from '../../support/poll.js';
import { Workshop } from './workshop.js';

/** Notes each call; `act` may be what the test says. */
const NOTING = `export default {
  open: (grant, signal) => { calls.push('open ' + grant.source); return act('open', signal); },
  close: (grant, signal) => { calls.push('close ' + grant.source); return act('close', signal); },
};`;

describe('grants of a door with a module', () => {
  let host: TestHost;
  let shop: Workshop;
  let running: Running;
  before(async () => {
    host = await TestHost.start();
    shop = new Workshop();
  });
  beforeEach(async () => {
    await host.reset();
    shop.fresh();
    globalThis.act = () => undefined;
  });
  after(async () => {
    await host.end();
    shop.dispose();
  });

  async function run(options: ModuleSettings['options'] = {}): Promise<Sink> {
    const sink = await shop.sink(NOTING, options);
    running = await host.run({ sinksFor: () => [sink] });
    return sink;
  }
  const door = (openForMs: number, commandTimeoutMs = 60_000) =>
    host.door({ cmdTimeoutMs: openForMs, commandTimeoutMs });
  const knock = async (of: ReturnType<typeof door>) => running.grants.complete(host.completion(of));
  const opened = `open ${SOURCE}`;
  const closed = `close ${SOURCE}`;

  it('open, and close on time', async () => {
    await run();
    await knock(door(300));
    const [open] = await host.eventsOf(running, 'Opened');
    const [close] = await host.eventsOf(running, 'Closed');
    assert.deepEqual([open?.sink, close?.sink], ['module:gate', 'module:gate']);
    assert.deepEqual(calls, [opened, closed]);
    const lateMs = (close?.atMs ?? 0) - (open?.until ?? 0);
    assert.ok(lateMs >= -20 && lateMs < 1000, `${lateMs}`);
  });

  it('are opened once, however often somebody knocks while they are open (G2)', async () => {
    await run();
    const vault = door(600);
    const first = await knock(vault);
    await host.eventsOf(running, 'Opened');
    assert.equal(grantOf(await knock(vault)), grantOf(first));
    const [extended] = await host.eventsOf(running, 'Extended');
    const [close] = await host.eventsOf(running, 'Closed');
    assert.ok((close?.atMs ?? 0) >= (extended?.until ?? Number.POSITIVE_INFINITY) - 20);
    assert.deepEqual(calls, [opened, closed]);
    await knock(vault);
    await host.eventsOf(running, 'Closed', 2);
    assert.deepEqual(calls, [opened, closed, opened, closed]);
  });

  it('are closed on time when they failed to open (G4)', async () => {
    await run({ timeout: '0.3' });
    globalThis.act = (what) => {
      if (what === 'open') throw new Error('gate\nis away');
    };
    await knock(door(300));
    const [failed] = await host.eventsOf(running, 'OpenFailed');
    assert.deepEqual([failed?.sink, failed?.reason], ['module:gate', 'gate is away']);
    await host.eventsOf(running, 'Closed');
    assert.deepEqual(calls, [opened, closed]);
  });

  it('are closed on time when opening hangs, whatever the module does about its signal', async () => {
    await run({ timeout: '0.3' });
    globalThis.act = (what) => (what === 'open' ? new Promise(() => {}) : undefined);
    await knock(door(300));
    const [failed] = await host.eventsOf(running, 'OpenFailed');
    assert.match(failed?.reason ?? '', /open took longer than 0.3 s, and it does not stop/);
    await host.eventsOf(running, 'Closed');
    assert.deepEqual(calls, [opened, closed]);
  });

  it('are broken off and closed when opening hangs beyond the time of the door', async () => {
    await run();
    globalThis.act = (what) => (what === 'open' ? new Promise(() => {}) : undefined);
    const began = performance.now();
    await knock(door(200, 300));
    await host.eventsOf(running, 'Closed');
    const tookMs = performance.now() - began;
    assert.ok(tookMs > 900 && tookMs < 2500, `${tookMs}`);
    assert.deepEqual(calls, [opened, closed]);
  });

  it('are closed again when a hanging opening ends after all', async () => {
    await run({ timeout: '0.2' });
    let end = (): void => {};
    globalThis.act = (what) =>
      what === 'open' ? new Promise<void>((resolve) => (end = resolve)) : undefined;
    await knock(door(100));
    await host.eventsOf(running, 'Closed');
    end();
    await poll(() => calls.length === 3, 'closed again');
    assert.deepEqual(calls, [opened, closed, closed]);
  });

  it('are tried to be closed until they are, whether closing fails or hangs (G5)', async () => {
    await run({ timeout: '0.2' });
    let attempt = 0;
    globalThis.act = (what) => {
      if (what === 'open') return undefined;
      attempt += 1;
      if (attempt === 1) throw new Error('gate is away');
      return attempt === 2 ? new Promise(() => {}) : undefined;
    };
    await knock(door(100));
    await host.eventsOf(running, 'Closed');
    const failures = await host.eventsOf(running, 'CloseFailed', 2);
    assert.deepEqual(
      failures.map(({ reason, final }) => [reason.split(',')[0], final]),
      [
        ['gate is away', false],
        ['close took longer than 0.2 s', false],
      ],
    );
    assert.deepEqual(calls, [opened, closed, closed, closed]);
  });

  it('are closed after a crash by the module as it is then', async () => {
    await run();
    await knock(door(1000));
    await host.eventsOf(running, 'Opened');
    await running.crash();
    const sink = await shop.sink(NOTING.replaceAll('grant.source', "grant.id + ' anew'"));
    running = await host.run({ sinksFor: () => [sink] });
    const [close] = await host.eventsOf(running, 'Closed');
    assert.deepEqual(calls, [opened, `close ${close?.grant} anew`]);
  });

  it('are broken off at once by postern close', async () => {
    await run();
    globalThis.act = (what, signal) =>
      what === 'close'
        ? undefined
        : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const vault = door(60_000);
    const grant = grantOf(await knock(vault));
    await poll(() => calls.length === 1, 'it opens');
    const began = performance.now();
    await running.grants.revoke(vault.name, SOURCE);
    await host.eventsOf(running, 'Closed');
    assert.ok(performance.now() - began < 1000);
    const [failed] = await host.eventsOf(running, 'OpenFailed');
    assert.equal(failed?.grant, grant);
    assert.deepEqual(calls, [opened, closed]);
  });
});
