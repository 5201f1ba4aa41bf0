import assert from 'node:assert/strict';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import { Arbiter } from '../../src/jobs/arbiter.js';
import type { ArbiterContext } from '../../src/jobs/arbiter-types.js';
import { foldGrants, grantOf } from '../../src/jobs/fold.js';
import { createLedger } from '../../src/jobs/ledger.js';
import type { EventOf } from '../../src/journal/events.js';
import { silentLog } from '../../src/log/types.js';
import { testDoor } from '../support/door.js';
import { MemoryJournal } from '../support/memory-journal.js';

const names = { door: 'test', source: '192.0.2.1', configuration: 'c1' };
const OPEN_MS = 10_000;
const knocked = { source: names.source, knockedAtMs: 0, openForMs: OPEN_MS };
const COMMAND_MS = 60_000;
const BACKOFF_MS = 500;

/** A sink whose calls are written down and end when the test says. */
class TestSink implements Sink {
  readonly calls: { readonly call: string; readonly leftMs: number | null }[] = [];
  readonly #underway: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(
    readonly name: string,
    readonly kernelTimed: boolean,
  ) {}

  readonly open = (grant: SinkGrant, signal: AbortSignal) => this.#called('open', grant, signal);
  readonly close = (grant: SinkGrant) => this.#called('close', grant);

  end(error?: Error): void {
    const call = this.#underway.shift();
    if (error) call?.reject(error);
    else call?.resolve();
  }

  protected note(call: string, { leftMs }: SinkGrant): void {
    this.calls.push({ call, leftMs });
  }

  #called(call: string, grant: SinkGrant, signal?: AbortSignal): Promise<void> {
    this.note(call, grant);
    return new Promise((resolve, reject) => {
      this.#underway.push({ resolve, reject });
      signal?.addEventListener('abort', () => reject(new Error('aborted')));
    });
  }
}

class TimedSink extends TestSink {
  readonly extend = async (grant: SinkGrant) => this.note('extend', grant);
}

async function scene(sinks: readonly Sink[], given: Partial<EventOf<'Completed'>> = {}) {
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, wall: () => nowMs + 1e12 };
  const journal = new MemoryJournal('host', clock);
  const scheduled: number[] = [];
  const context: ArbiterContext = {
    ledger: createLedger(journal, silentLog),
    clock,
    log: silentLog,
    closeBackoffMs: () => BACKOFF_MS,
    scheduleClose: ({ deadlineMs }) => scheduled.push((deadlineMs ?? 0) - nowMs),
    reach: () => {},
  };
  const stamp = await journal.append({ type: 'Completed', ...names });
  const state = grantOf({ ...stamp, type: 'Completed', ...names, ...given });
  const door = testDoor({ cmdTimeoutMs: OPEN_MS, commandTimeoutMs: COMMAND_MS });
  const arbiter = new Arbiter({ state, door, sinks, key: undefined }, context);
  return {
    arbiter,
    journal,
    scheduled,
    nowMs: clock.now,
    types: () => journal.events.map((event) => event.type + ('sink' in event ? event.sink : '')),
    async advance(ms: number) {
      nowMs += ms;
      await settled();
    },
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a grant with several sinks', () => {
  let exec: TestSink;
  let nftables: TimedSink;
  beforeEach(() => {
    exec = new TestSink('exec', false);
    nftables = new TimedSink('nftables', true);
  });

  it('opens them all at once, the timed one for as long as the command may take, and tells it the deadline at its end (G1)', async () => {
    const it = await scene([nftables, exec]);
    await it.arbiter.open();
    assert.deepEqual(nftables.calls, [{ call: 'open', leftMs: COMMAND_MS + OPEN_MS }]);
    assert.equal(exec.calls.length, 1);
    nftables.end();
    await it.advance(7000);
    exec.end();
    await settled();
    assert.deepEqual(nftables.calls[1], { call: 'extend', leftMs: OPEN_MS });
    assert.deepEqual(it.scheduled, [OPEN_MS]);
    const untils = it.journal.events.flatMap((event) =>
      event.type === 'Opened' ? [event.until] : [],
    );
    assert.deepEqual(untils, [1e12 + 1_007_000 + OPEN_MS, 1e12 + 1_007_000 + OPEN_MS]);
  });

  it('tells a timed sink that is alone the right deadline at once, and no other', async () => {
    const it = await scene([nftables]);
    await it.arbiter.open();
    await it.advance(20);
    nftables.end();
    await settled();
    assert.deepEqual(nftables.calls, [{ call: 'open', leftMs: OPEN_MS }]);
    assert.equal(it.arbiter.phase, 'open');
  });

  it('counts the time of a timed sink from its own opening beside a command without a stop, which may run for ever', async () => {
    const { close: _, ...endless } = exec;
    const it = await scene([nftables, { ...endless, name: 'exec' }]);
    await it.arbiter.open();
    nftables.end();
    await settled();
    assert.deepEqual(it.scheduled, [OPEN_MS]);
    await it.advance(OPEN_MS);
    const closing = it.arbiter.close('deadline');
    await settled();
    nftables.end();
    assert.deepEqual(await closing, { kind: 'closed' });
    assert.equal((await foldGrants(it.journal.events)).size, 0, 'closed in the journal too');
    exec.end();
    await settled();
    assert.ok(it.types().includes('Openedexec'), 'what became of the command is said, though late');
    assert.equal((await foldGrants(it.journal.events)).size, 0, 'and revives nothing');
  });

  it('notes the outcome of each, and closes one that failed to open too (G4)', async () => {
    const it = await scene([nftables, exec]);
    await it.arbiter.open();
    nftables.end(new Error('no such set'));
    exec.end();
    await settled();
    assert.deepEqual(it.types().slice(2), ['OpenFailednftables', 'Openedexec']);
    assert.equal(nftables.calls.length, 1, 'what is not open is given no other deadline');
    await it.advance(OPEN_MS);
    const closing = it.arbiter.close('deadline');
    await settled();
    nftables.end();
    exec.end();
    assert.deepEqual(await closing, { kind: 'closed' });
  });

  it('a stop command that hangs keeps no other sink open, nor from being tried again (G5)', async () => {
    const it = await scene([nftables, exec]);
    await it.arbiter.open();
    nftables.end();
    exec.end();
    await settled();
    await it.advance(OPEN_MS);
    const closing = it.arbiter.close('deadline');
    await settled();
    nftables.end(new Error('nft is busy'));
    await settled();
    assert.equal(it.arbiter.phase, 'closing');
    assert.equal(it.scheduled.at(-1), BACKOFF_MS, 'it has a time of its own to be tried again');
    await it.advance(BACKOFF_MS);
    void it.arbiter.close('reconciler');
    await settled();
    assert.deepEqual(
      nftables.calls.map(({ call }) => call),
      ['open', 'extend', 'close', 'close'],
    );
    nftables.end();
    await settled();
    assert.ok(it.types().includes('Closednftables'));
    assert.equal(exec.calls.length, 2, 'the hanging one is not started again');
    exec.end();
    assert.deepEqual(await closing, { kind: 'closed' });
  });

  it('a knock tells the timed one of the longer time, once the journal has it (G2)', async () => {
    const it = await scene([nftables, exec]);
    await it.arbiter.open();
    nftables.end();
    exec.end();
    await settled();
    await it.advance(4000);
    it.journal.failure = new Error('no Redis');
    await assert.rejects(it.arbiter.extend(knocked));
    assert.equal(nftables.calls.at(-1)?.leftMs, OPEN_MS, 'untouched');
    it.journal.failure = undefined;
    const before = nftables.calls.length;
    assert.equal(await it.arbiter.extend(knocked), true);
    assert.deepEqual(nftables.calls.slice(before), [{ call: 'extend', leftMs: OPEN_MS }]);
    await it.advance(OPEN_MS - 1);
    assert.deepEqual(await it.arbiter.close('deadline'), { kind: 'early', leftMs: 1 });
  });

  it('closes all at once on request, breaking off what is opening (G6)', async () => {
    const it = await scene([nftables, exec]);
    await it.arbiter.open();
    nftables.end();
    const closing = it.arbiter.close('exit');
    await settled();
    assert.deepEqual(nftables.calls.at(-1)?.call, 'close');
    nftables.end();
    exec.end();
    exec.end();
    assert.deepEqual(await closing, { kind: 'closed' });
  });

  it('that the cluster gave opens, and gets more time, only with the journal (T14)', async () => {
    const failure = new Error('no Redis');
    const given = { grant: 'other-17-42', from: 'other', knockedAtMs: 3 };
    const order = await scene([nftables], given);
    order.journal.failure = failure;
    assert.equal(await order.arbiter.open(), 'refused');
    assert.deepEqual(nftables.calls, []);

    const own = await scene([nftables]);
    own.journal.failure = failure;
    assert.equal(await own.arbiter.open(), 'started');
    nftables.end();
    await settled();
    await own.advance(1000);
    await assert.rejects(own.arbiter.extend({ ...knocked, mustBeDurable: true }));
    assert.equal(own.arbiter.deadlineMs, own.nowMs() + OPEN_MS - 1000);
    assert.equal(await own.arbiter.extend(knocked), true);
    assert.equal(own.arbiter.deadlineMs, own.nowMs() + OPEN_MS);
  });

  it('closes nothing twice at a time, however many ask', async () => {
    const it = await scene([exec]);
    await it.arbiter.open();
    exec.end();
    await settled();
    await it.advance(OPEN_MS);
    const asked = (['deadline', 'exit', 'revoked', 'reconciler'] as const).map((cause) =>
      it.arbiter.close(cause),
    );
    await settled();
    assert.equal(exec.calls.length, 2);
    exec.end();
    const kinds = (await Promise.all(asked)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['closed', 'closed', 'closed', 'early']);
  });
});
