import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Journal } from '../../src/journal/types.js';
import { MemoryJournal } from '../support/memory-journal.js';
import { all, completed, JournalBench } from './support.js';

interface Step {
  readonly kind: 'append' | 'trim' | 'claim' | 'accept' | 'remember' | 'a day passes';
  readonly at: number;
}

/** A clock that stands until a day passes. */
function standingClock() {
  let days = 0;
  return {
    now: () => 0,
    wall: () => 1000 + days * 86_400_000,
    passADay: () => {
      days += 1;
    },
  };
}

async function run(
  journal: Journal,
  clock: ReturnType<typeof standingClock>,
  steps: readonly Step[],
): Promise<unknown[]> {
  const claims = ['c0', 'c1', 'c9'];
  const seen: unknown[] = [];
  for (const { kind, at } of steps) {
    if (kind === 'append') seen.push(await journal.append(completed(at)));
    if (kind === 'claim') seen.push(await journal.claim(`c${at}`, completed(at)));
    if (kind === 'a day passes') clock.passADay();
    if (kind === 'accept') {
      // Some use up a claim.
      const claim = at % 2 === 0 ? `c${at}` : undefined;
      const untilMs = clock.wall() + at * 10_000_000;
      seen.push(await journal.accept(`g${at}`, untilMs, completed(at), claim));
    }
    if (kind === 'remember') {
      const grant = `g${seen.length}`;
      await journal.remember([0, 1].map((n) => ({ claim: `c${at + n}`, grant })));
    }
    if (kind === 'trim') await journal.trim((await all(journal.read()))[at]?.id);
  }
  const after = (await all(journal.read()))[1]?.id;
  const rest = after === undefined ? [] : await all(journal.read({ after }));
  const remembered = new Map<string, string>();
  for await (const { claim, grant } of journal.rememberedClaims()) remembered.set(claim, grant);
  seen.push(await all(journal.read()), rest);
  seen.push(await journal.claimed(claims), await journal.knows(claims));
  return [...seen, [...remembered].sort()];
}

describe('the journal in memory that other tests use', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  it('answers as the real one does', async () => {
    const step = fc.record({
      kind: fc.constantFrom(
        ...(['append', 'append', 'claim', 'trim', 'accept', 'accept'] as const),
        ...(['remember', 'a day passes'] as const),
      ),
      at: fc.nat(4),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(6), async (steps, length) => {
        await bench.next();
        const [one, other] = [standingClock(), standingClock()];
        const real = await bench.open({ length, clock: one });
        const model = new MemoryJournal('alpha', other, length);
        assert.deepEqual(await run(model, other, steps), await run(real, one, steps));
      }),
      { numRuns: 60 },
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
