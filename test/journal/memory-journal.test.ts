import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Journal } from '../../src/journal/types.js';
import { MemoryJournal } from '../support/memory-journal.js';
import { all, completed, JournalBench } from './support.js';

type Step =
  | { readonly kind: 'append' | 'trim'; readonly at: number }
  | { readonly kind: 'claim'; readonly at: number };

async function run(journal: Journal, steps: readonly Step[]): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const { kind, at } of steps) {
    if (kind === 'append') seen.push(await journal.append(completed(at)));
    if (kind === 'claim') seen.push(await journal.claim(`c${at}`, completed(at)));
    if (kind === 'trim') await journal.trim((await all(journal.read()))[at]?.id);
  }
  const after = (await all(journal.read()))[1]?.id;
  const rest = after === undefined ? [] : await all(journal.read({ after }));
  return [...seen, await all(journal.read()), rest, await journal.claimed(['c0', 'c1', 'c9'])];
}

describe('the journal in memory that other tests use', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  it('answers as the real one does', async () => {
    const step = fc.record({
      kind: fc.constantFrom('append', 'append', 'claim', 'trim'),
      at: fc.nat(4),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(6), async (steps, length) => {
        await bench.next();
        const clock = { now: () => 0, wall: () => 1000 };
        const real = await bench.open({ length, clock });
        const model = new MemoryJournal('alpha', clock, length);
        assert.deepEqual(await run(model, steps), await run(real, steps));
      }),
      { numRuns: 30 },
    );
  });

  it('is followed as the real one is', async () => {
    for (const journal of [await bench.open(), new MemoryJournal()]) {
      const stop = new AbortController();
      const events = [journal.append(completed(0))];
      const seen: unknown[] = [];
      for await (const event of journal.follow({ signal: stop.signal })) {
        seen.push(event);
        if (seen.length === 3) stop.abort();
        else events.push(journal.append(completed(seen.length)));
      }
      assert.deepEqual(seen, await Promise.all(events));
    }
  });
});
