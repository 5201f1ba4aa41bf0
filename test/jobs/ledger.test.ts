import assert from 'node:assert/strict';
import { createLedger } from '../../src/jobs/ledger.js';
import type { EventBody } from '../../src/journal/events.js';
import { silentLog } from '../../src/log/types.js';
import { MemoryJournal } from '../support/memory-journal.js';

const closed = (grant: string): EventBody => ({ type: 'Closed', grant, sink: 'exec' });

const completed = (grant: string): EventBody => ({
  ...{ type: 'Completed', door: 'ssh', source: '192.0.2.1', configuration: 'c1' },
  ...{ grant, from: 'other', knockedAtMs: 1 },
});

describe('the ledger of grants', () => {
  const written = (journal: MemoryJournal) =>
    journal.events.map((event) => ('grant' in event ? event.grant : event.type));

  it('writes what happened during an outage afterwards, in order, before anything new', async () => {
    const journal = new MemoryJournal();
    const ledger = createLedger(journal, silentLog);
    journal.failure = new Error('no Redis');
    for (const grant of ['1', '2', '3']) void ledger.note(closed(grant));
    assert.equal(await ledger.settle(), false);
    await assert.rejects(ledger.must(closed('refused')), { code: 'POSTERN_E_JOURNAL' });
    await assert.rejects(ledger.accept({ grant: '5', untilMs: 1 }, completed('5')), {
      code: 'POSTERN_E_JOURNAL',
    });
    journal.failure = undefined;
    await Promise.all([
      ledger.must(closed('4')),
      ledger.accept({ grant: '5', untilMs: 1, claim: 'c' }, completed('5')),
    ]);
    assert.deepEqual(written(journal), ['1', '2', '3', '4', '5']);
    assert.equal(await ledger.accept({ grant: '5', untilMs: 1 }, completed('5')), undefined);
    assert.deepEqual(await journal.claimed(['c']), [true]);
    assert.equal(await ledger.settle(), true);
    assert.equal(journal.events.length, 5);
  });

  it('keeps the order when one that was on its way fails after others were put off', async () => {
    const journal = new MemoryJournal();
    const fail: (() => void)[] = [];
    const late = new Error('not confirmed');
    const slow = Object.assign(Object.create(journal), {
      append: (body: EventBody) =>
        journal.failure === undefined
          ? journal.append(body)
          : new Promise((_, reject) => fail.push(() => reject(late))),
    });
    const ledger = createLedger(slow, silentLog);
    journal.failure = late;
    const written: string[] = [];
    const note = (grant: string) => void ledger.note(closed(grant)).then(() => written.push(grant));
    for (const grant of ['1', '2']) note(grant);
    fail[0]?.();
    await new Promise((resolve) => setImmediate(resolve));
    note('3');
    fail[1]?.();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(written, [], 'nobody is told too early');
    journal.failure = undefined;
    assert.equal(await ledger.settle(), true);
    assert.deepEqual([...journal.events.map((event) => 'grant' in event && event.grant)], written);
    assert.deepEqual(written, ['1', '2', '3']);
  });

  it('writes nothing more once it is closed', async () => {
    const journal = new MemoryJournal();
    const ledger = createLedger(journal, silentLog);
    ledger.close();
    void ledger.note(closed('1'));
    await ledger.settle();
    assert.deepEqual(written(journal), []);
  });
});
