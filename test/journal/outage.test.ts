import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { JournalEvent } from '../../src/journal/events.js';
import { eventually } from '../support/eventually.js';
import { recordingLog } from '../support/recording-log.js';
import { all, completed, JournalBench, range } from './support.js';

describe('the journal in an outage of Redis (T10, T12)', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  function kill(): void {
    process.kill(bench.server.pid!, 'SIGKILL');
  }

  it('still has every event that it confirmed before redis-server was killed', async () => {
    const journal = await bench.open();
    const events = await Promise.all(range(50).map((index) => journal.append(completed(index))));
    kill();
    const last = await journal.append(completed(50));
    assert.deepEqual(await all(journal.read()), [...events, last]);
  });

  it('writes each event once and in order though redis-server is killed in between', async () => {
    const journal = await bench.open();
    const outcomes: Promise<JournalEvent>[] = [];
    for (const index of range(300)) {
      outcomes.push(journal.append(completed(index)));
      if (index === 100) kill();
      if (index % 5 === 0) await setImmediate();
    }
    const confirmed = await Promise.all(outcomes);
    assert.deepEqual(await all(journal.read()), confirmed);
  });

  it('settles claims once though redis-server is killed in between', async () => {
    const journal = await bench.open();
    const outcomes: Promise<JournalEvent | undefined>[] = [];
    for (const index of range(200)) {
      outcomes.push(journal.claim(`c${index % 100}`, completed(index)));
      if (index === 50) kill();
      if (index % 5 === 0) await setImmediate();
    }
    const events = await Promise.all(outcomes);
    assert.equal(events.slice(0, 100).filter(Boolean).length, 100);
    assert.equal(events.slice(100).filter(Boolean).length, 0);
    assert.equal((await all(journal.read())).length, 100);
  });

  it('refuses within 1.2 s while redis-server is frozen, and is usable after', async () => {
    const journal = await bench.open();
    const pid = bench.server.pid!;
    process.kill(pid, 'SIGSTOP');
    const before = performance.now();
    try {
      await Promise.all([
        assert.rejects(journal.append(completed(1)), {
          code: 'POSTERN_E_JOURNAL',
          message: /unknown whether it was written/,
        }),
        assert.rejects(journal.claim('c', completed(2)), { code: 'POSTERN_E_JOURNAL' }),
      ]);
      assert.ok(performance.now() - before < 1200);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const later = await journal.append(completed(3));
    assert.deepEqual((await all(journal.read())).at(-1), later);
  });

  it('refuses within 1.2 s while there is no redis-server, and says that nothing was written', async () => {
    const journal = await bench.open();
    await bench.server.stop();
    try {
      const before = performance.now();
      await assert.rejects(journal.append(completed(1)), {
        code: 'POSTERN_E_JOURNAL',
        message: /out of reach/,
      });
      assert.ok(performance.now() - before < 1200);
    } finally {
      await bench.start();
    }
    const later = await journal.append(completed(2));
    assert.deepEqual(await all(journal.read()), [later]);
  });

  it('goes on being followed after redis-server was killed, each event once', async () => {
    const journal = await bench.open();
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { id } of journal.follow({ signal: stop.signal })) seen.push(id);
    })();
    const first = await journal.append(completed(1));
    await eventually('the first event', () => seen.length === 1, { everyMs: 5 });
    kill();
    const second = await journal.append(completed(2));
    await eventually('the second event', () => seen.length === 2, { everyMs: 5 });
    stop.abort();
    await following;
    assert.deepEqual(seen, [first.id, second.id]);
  });

  it('says so in the log once, not for every try', async () => {
    const log = recordingLog();
    const journal = await bench.open({ log });
    kill();
    await journal.append(completed(1));
    const lost = log.entries.filter(({ message }) => message === 'Redis is out of reach');
    assert.ok(lost.length > 0 && lost.length <= 4, `${lost.length} lines`);
  });

  it('rejects what is on its way when it is closed', async () => {
    const journal = await bench.open();
    const appending = journal.append(completed(1));
    const closed = journal.close();
    await assert.rejects(appending, { code: 'POSTERN_E_JOURNAL', message: /closed/ });
    await closed;
    await assert.rejects(journal.append(completed(2)), { message: /closed/ });
  });
});
