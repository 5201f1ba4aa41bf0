import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { grantId } from '../../src/journal/events.js';
import type { RedisJournal } from '../../src/journal/redis-journal.js';
import { poll } from '../support/poll.js';
import { pidAlive } from '../support/processes.js';
import { SOURCE, TestHost } from './host.js';

describe('recovery of grants with several sinks', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const LONG_MS = 60_000;

  async function opening(journal: RedisJournal, door: string, source = SOURCE): Promise<string> {
    const names = { door, source, configuration: 'c1' };
    const grant = grantId(await journal.append({ type: 'Completed', ...names }));
    await journal.append({ type: 'Opening', grant, ...names, until: Date.now() + LONG_MS });
    return grant;
  }

  it('tells the firewall of what stays open before anything is closed, and of nothing else (T15)', async () => {
    const long = host.allowing({ cmdTimeoutMs: LONG_MS });
    await host.past(1000, async (journal) => {
      const until = Date.now() + LONG_MS;
      const stays = await opening(journal, long.name);
      await journal.append({ type: 'Opened', grant: stays, sink: 'nftables', until });
      const overdue = await opening(journal, long.name, '192.0.2.2');
      const past = Date.now() - 10;
      await journal.append({ type: 'Opened', grant: overdue, sink: 'nftables', until: past });
      const failed = await opening(journal, long.name, '192.0.2.3');
      const reason = 'no such set';
      await journal.append({ type: 'OpenFailed', grant: failed, sink: 'nftables', until, reason });
      await opening(journal, long.name, '192.0.2.4');
    });
    const running = await host.run();
    assert.equal(host.kernel[0], `restore ${SOURCE}`);
    await poll(() => host.kernel.length === 4, 'two are closed');
    const order = host.kernel.filter((asked) => asked.startsWith('close')).sort();
    assert.deepEqual(order, ['close 192.0.2.2', 'close 192.0.2.4']);
    const sources = running.grants.live().flatMap(({ source, sinks }) => [source, sinks.length]);
    assert.deepEqual(sources, [SOURCE, 1, '192.0.2.3', 0]);
  });

  it('keeps a door open whose command without a stop was still running, and lets that run', async () => {
    const { stopCommand: _, ...door } = host.door({
      name: 'endless',
      allow: [{ protocol: 'tcp', from: 22, to: 22 }],
      cmdTimeoutMs: LONG_MS,
    });
    host.doors = [door];
    let grant = '';
    await host.past(1000, async (journal) => {
      grant = await opening(journal, door.name);
      const until = Date.now() + LONG_MS;
      await journal.append({ type: 'Opened', grant, sink: 'nftables', until });
    });
    const env = { ...process.env, POSTERN_GRANT: grant };
    const survivor = spawn('sleep', ['60'], { detached: true, stdio: 'ignore', env });
    const running = await host.run();
    assert.deepEqual(host.kernel, [`restore ${SOURCE}`]);
    assert.equal(running.grants.status()[0]?.state, 'open');
    assert.ok(pidAlive(survivor.pid ?? 0));
    survivor.kill('SIGKILL');
    await running.grants.closeAll('exit');
    assert.deepEqual(host.lines('endless'), [], 'its start command did not run again');
  });

  it('closes all of it when the outcome of one that has to be closed is unknown (DESIGN 5)', async () => {
    const door = host.door({
      name: 'half',
      allow: [{ protocol: 'tcp', from: 22, to: 22 }],
      cmdTimeoutMs: LONG_MS,
    });
    await host.past(1000, async (journal) => {
      const grant = await opening(journal, door.name);
      const until = Date.now() + LONG_MS;
      await journal.append({ type: 'Opened', grant, sink: 'nftables', until });
    });
    const running = await host.run();
    await poll(() => running.grants.status().length === 0, 'no grant is live');
    assert.deepEqual(host.kernel, [`close ${SOURCE}`]);
    assert.deepEqual(host.lines('half'), [`stop ${SOURCE}`]);
  });
});
