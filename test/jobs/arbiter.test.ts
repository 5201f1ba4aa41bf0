import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Sink } from '../../sinks/types.js';
import { Arbiter } from '../../src/jobs/arbiter.js';
import type { ArbiterContext } from '../../src/jobs/arbiter-types.js';
import { foldGrants, grantOf } from '../../src/jobs/fold.js';
import { createLedger } from '../../src/jobs/ledger.js';
import { silentLog } from '../../src/log/types.js';
import { testDoor } from '../support/door.js';
import { MemoryJournal } from '../support/memory-journal.js';

const names = { door: 'test', source: '192.0.2.1', configuration: 'c1' };
const CMD_TIMEOUT_MS = 100;
const knocked = { source: names.source, knockedAtMs: 0, openForMs: CMD_TIMEOUT_MS };

/**
 * One grant with a sink that ends each call when told, and one that the kernel times and that does
 * at once what it is asked, on a clock that stands until moved.
 */
async function scene(stopRetries = 2) {
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, wall: () => nowMs + 1e12 };
  const journal = new MemoryJournal('host', clock);
  const calls: string[] = [];
  const closedAtMs: number[] = [];
  const underway: { resolve(): void; reject(error: Error): void }[] = [];
  const call = (name: string) => {
    calls.push(name);
    return new Promise<void>((resolve, reject) => underway.push({ resolve, reject }));
  };
  const sink: Sink = {
    name: 'exec',
    open: (_, signal) => {
      const opening = call('open');
      const abort = () => underway.at(-1)?.reject(new Error('aborted'));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      return opening;
    },
    close: () => {
      closedAtMs.push(nowMs);
      return call('close');
    },
  };
  const timed: string[] = [];
  const asked = (what: string) => async () => {
    timed.push(what);
  };
  const kernel: Sink = {
    name: 'nftables',
    kernelTimed: true,
    ...{ open: asked('open'), extend: asked('extend'), close: asked('close') },
  };
  const context: ArbiterContext = {
    ledger: createLedger(journal, silentLog),
    clock,
    log: silentLog,
    closeBackoffMs: () => 10,
    scheduleClose: () => {},
    reach: () => {},
  };
  const stamp = await journal.append({ type: 'Completed', ...names });
  const completed = { ...stamp, type: 'Completed' as const, ...names };
  const state = grantOf(completed);
  const door = testDoor({ cmdTimeoutMs: CMD_TIMEOUT_MS, commandTimeoutMs: 1000, stopRetries });
  const arbiter = new Arbiter({ state, door, sinks: [kernel, sink], key: undefined }, context);
  return {
    arbiter,
    calls,
    /** What the kernel-timed sink was asked for. */
    timed,
    closedAtMs,
    clock,
    journal,
    ledger: context.ledger,
    isOpening: () => calls.at(-1) === 'open' && underway.length > 0,
    advance(ms: number) {
      nowMs += ms;
    },
    finishCall(succeeds: boolean) {
      const next = underway.shift();
      if (succeeds) next?.resolve();
      else next?.reject(new Error('status 1'));
    },
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const step = fc.oneof(
  ...(['open', 'extend', 'job', 'reconciler', 'pass', 'exit', 'revoke'] as const).map((kind) =>
    fc.constant({ kind, ms: 0 }),
  ),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 150 }) }),
  fc.record({ kind: fc.constant('late' as const), ms: fc.integer({ min: 1, max: 150 }) }),
  fc.constant({ kind: 'succeed' as const, ms: 0 }),
  fc.constant({ kind: 'fail' as const, ms: 0 }),
  fc.constantFrom({ kind: 'break' as const, ms: 0 }, { kind: 'mend' as const, ms: 0 }),
);

describe('the arbiter of a grant', () => {
  it('starts once, closes only after the start ended and not before its time, in any interleaving', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const it = await scene();
        const asked: Promise<unknown>[] = [];
        let forced = false;
        let earliestMs = 0;
        for (const { kind, ms } of steps) {
          if (kind === 'open') asked.push(it.arbiter.open());
          if (kind === 'extend') asked.push(it.arbiter.extend(knocked).catch(() => false));
          if (kind === 'late') {
            const late = { ...knocked, openForMs: Math.min(ms, CMD_TIMEOUT_MS) };
            asked.push(it.arbiter.extend(late).catch(() => false));
          }
          if (kind === 'job') asked.push(it.arbiter.close('deadline'));
          if (kind === 'reconciler') asked.push(it.arbiter.close('reconciler'));
          if (kind === 'exit' || kind === 'revoke') {
            forced = true;
            asked.push(it.arbiter.close(kind === 'exit' ? 'exit' : 'revoked'));
          }
          if (kind === 'advance') it.advance(ms);
          if (kind === 'pass') await settled();
          if (kind === 'break') it.journal.failure = new Error('no Redis');
          if (kind === 'mend') it.journal.failure = undefined;
          if (kind === 'succeed' || kind === 'fail') {
            if (it.isOpening()) earliestMs = it.clock.now() + CMD_TIMEOUT_MS;
            it.finishCall(kind === 'succeed');
          }
        }
        await settled();
        const [firstMs = earliestMs] = it.closedAtMs;
        assert.ok(forced || firstMs >= earliestMs, 'closed before its time');
        assert.ok(it.calls.filter((call) => call === 'open').length <= 1, 'started twice');
        assert.notEqual(it.calls[0], 'close', 'closed what was never started');
        // Whatever happened, it comes to an end that the journal knows.
        it.journal.failure = undefined;
        for (let n = 0; n < 60 && isUnsettled(it.arbiter); n += 1) {
          asked.push(it.arbiter.open());
          it.advance(2000);
          asked.push(it.arbiter.close('reconciler'));
          await settled();
          it.finishCall(true);
          await settled();
        }
        await Promise.all(asked);
        await it.ledger.settle();
        const phase = it.arbiter.phase;
        assert.ok(['closed', 'failed', 'abandoned'].includes(phase), phase);
        const folded = (await foldGrants(it.journal.events)).get(it.arbiter.id);
        assert.equal(folded?.phase, phase === 'failed' ? 'failed' : undefined);
        if (phase === 'closed') assert.equal(it.calls.at(-1), 'close');
        if (it.timed.length > 0) assert.match(it.timed.join(), /^open(,extend)*,close$/);
      }),
      { numRuns: Number(process.env['ARBITER_RUNS'] ?? 300) },
    );
  });

  it('runs nothing when its opening cannot be made durable', async () => {
    const it = await scene();
    it.journal.failure = new Error('no Redis');
    assert.equal(await it.arbiter.open(), 'refused');
    assert.deepEqual(it.calls, []);
    assert.equal(it.arbiter.phase, 'abandoned');
    it.journal.failure = undefined;
    await it.ledger.settle();
    assert.equal(it.journal.events.at(-1)?.type, 'Abandoned');
  });

  it('takes no more time for a grant that is closing, so that the knock becomes a new one', async () => {
    const it = await scene();
    await it.arbiter.open();
    it.finishCall(true);
    await settled();
    it.advance(CMD_TIMEOUT_MS);
    const closing = it.arbiter.close('deadline');
    const extending = it.arbiter.extend(knocked);
    await settled();
    it.finishCall(true);
    assert.deepEqual(await closing, { kind: 'closed' });
    assert.equal(await extending, false);
  });

  it('closes on time by the monotonic clock though the wall clock jumps (T13)', async () => {
    const it = await scene();
    await it.arbiter.open();
    it.finishCall(true);
    await settled();
    const wall = it.clock.wall;
    it.clock.wall = () => wall() + 3_600_000;
    const result = await it.arbiter.close('deadline');
    assert.deepEqual(result, { kind: 'early', leftMs: CMD_TIMEOUT_MS });
    it.clock.wall = () => wall() - 86_400_000;
    it.advance(CMD_TIMEOUT_MS);
    const closing = it.arbiter.close('deadline');
    await settled();
    it.finishCall(true);
    assert.deepEqual(await closing, { kind: 'closed' });
  });

  it('counts the time again from a knock while it is open, and leaves it when that is not durable', async () => {
    const it = await scene();
    await it.arbiter.open();
    it.finishCall(true);
    await settled();
    it.advance(60);
    assert.equal(await it.arbiter.extend(knocked), true);
    assert.equal(it.arbiter.deadlineMs, it.clock.now() + CMD_TIMEOUT_MS);
    it.advance(60);
    it.journal.failure = new Error('no Redis');
    await assert.rejects(it.arbiter.extend(knocked));
    assert.equal(it.arbiter.deadlineMs, it.clock.now() + CMD_TIMEOUT_MS - 60);
  });
});

function isUnsettled(arbiter: Arbiter): boolean {
  return !['closed', 'failed', 'abandoned'].includes(arbiter.phase);
}
