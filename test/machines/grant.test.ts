import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  advanceGrant,
  deadlineOf,
  type GrantEvent,
  type GrantState,
  isFinal,
  newGrant,
} from '../../machines/grant.js';
import { createGrantFold, foldGrants } from '../../src/jobs/fold.js';
import type { EventBody, JournalEvent } from '../../src/journal/events.js';

const names = { door: 'door', source: '192.0.2.1', configuration: 'c1' };
const begun = { eventId: '1-0', completedAtMs: 1, knockedAtMs: 1 };
const fresh = newGrant({ id: 'g', host: 'h', ...begun, ...names });
const opening = (until: number | null): GrantEvent => ({
  type: 'Opening',
  grant: 'g',
  ...names,
  until,
});
const opened = (until: number | null, sink = 'exec'): GrantEvent => ({
  type: 'Opened',
  grant: 'g',
  sink,
  until,
});
const closing: GrantEvent = { type: 'Closing', grant: 'g', cause: 'deadline' };
const closed = (sink = 'exec'): GrantEvent => ({ type: 'Closed', grant: 'g', sink });
const extended = (until: number): GrantEvent => ({
  type: 'Extended',
  grant: 'g',
  source: '192.0.2.1',
  until,
});
const closeFailed = (attempt: number, final: boolean): GrantEvent => ({
  type: 'CloseFailed',
  grant: 'g',
  sink: 'exec',
  attempt,
  final,
  reason: 'x',
});
const reached = (...events: GrantEvent[]): GrantState => events.reduce(advanceGrant, fresh);

const isAbout = (event: EventBody): event is GrantEvent =>
  event.type !== 'Completed' && 'grant' in event;
const copy = (state: GrantState): GrantState => structuredClone(state);

/** Events of three grants of one host, as a journal might hold them, in any order and number. */
const sinks = fc.constantFrom('exec', 'nftables');
const until = fc.option(fc.nat({ max: 1000 }));
const grant = fc.constantFrom('h-1-0', 'h-2-0', 'h-3-0');
const body: fc.Arbitrary<EventBody> = fc.oneof(
  fc.constant({ type: 'Completed' as const, ...names }),
  grant.map((id) => ({
    ...{ type: 'Completed' as const, ...names },
    ...{ grant: id, from: 'other', knockedAtMs: 1, openForMs: 7 },
  })),
  fc
    .record({ type: fc.constant('Opening' as const), grant, until })
    .map((e) => ({ ...e, ...names })),
  fc.record({ type: fc.constant('Opened' as const), grant, sink: sinks, until }),
  fc.record({
    type: fc.constant('OpenFailed' as const),
    grant,
    sink: sinks,
    until,
    reason: fc.string(),
  }),
  fc.record({
    type: fc.constant('Extended' as const),
    grant,
    source: fc.constant('192.0.2.9'),
    until: fc.nat({ max: 1000 }),
    knockedAtMs: fc.option(fc.nat({ max: 1000 }), { nil: undefined }),
  }),
  fc.record({
    type: fc.constant('Closing' as const),
    grant,
    cause: fc.constantFrom('deadline' as const, 'recovery' as const),
  }),
  fc.record({ type: fc.constant('Closed' as const), grant, sink: sinks }),
  fc.record({
    type: fc.constant('CloseFailed' as const),
    grant,
    sink: sinks,
    attempt: fc.integer({ min: 1, max: 12 }),
    final: fc.boolean(),
    reason: fc.string(),
  }),
  fc.record({ type: fc.constant('Abandoned' as const), grant, reason: fc.string() }),
  fc.constant({ type: 'HostStopped' as const }),
);
const event: fc.Arbitrary<JournalEvent> = fc
  .tuple(body, fc.integer({ min: 1, max: 3 }))
  .map(([of, n]) => ({ ...of, id: `${n}-0`, host: 'h', atMs: n }));
const journal = fc.array(event, { maxLength: 40 });

describe('a grant', () => {
  it('goes from completed to closed', () => {
    const steps = [opening(90), opened(50), closing, closed()];
    const phases = steps.map((_, n) => reached(...steps.slice(0, n + 1)).phase);
    assert.deepEqual(phases, ['opening', 'open', 'closing', 'closed']);
  });

  it('is done when it opened without a deadline', () => {
    assert.equal(reached(opening(null), opened(null)).phase, 'closed');
    assert.equal(reached(opened(null, 'none')).phase, 'closed');
  });

  it('has the provisional deadline until a sink reports, and moves it only to later', () => {
    assert.equal(deadlineOf(reached(opening(90))), 90);
    assert.equal(deadlineOf(reached(opening(90), opened(50))), 50);
    assert.equal(deadlineOf(reached(opening(90), opened(50), extended(70))), 70);
    assert.equal(deadlineOf(reached(opening(90), opened(50), extended(40))), 50);
  });

  it('remembers its last knock, whatever order they came in, and none from a former version', () => {
    const knocked = (...times: (number | undefined)[]) => {
      const events = times.map((knockedAtMs) => ({ ...extended(70), knockedAtMs }) as const);
      return reached(opening(90), opened(50), ...events).context.knockedAtMs;
    };
    assert.equal(knocked(), 1);
    assert.equal(knocked(9, 7), 9);
    assert.equal(knocked(undefined), 1);
  });

  it('is closed only when every sink that reported is', () => {
    const both = [opening(90), opened(50), opened(60, 'nftables'), closing];
    assert.equal(reached(...both, closed()).phase, 'closing');
    assert.equal(reached(...both, closed(), closed('nftables')).phase, 'closed');
  });

  it('has failed when a close was given up, and closes yet at a later try', () => {
    const failed = [opening(90), opened(50), closing, closeFailed(1, false), closeFailed(2, true)];
    assert.equal(reached(...failed.slice(0, 4)).phase, 'closing');
    assert.equal(reached(...failed).phase, 'failed');
    const again = reached(...failed, closing);
    assert.equal(again.phase, 'closing');
    assert.equal(again.context.sinks['exec']?.attempts, 0);
    assert.equal(reached(...failed, closing, closed()).phase, 'closed');
  });

  it('is abandoned only when nothing ran', () => {
    const abandoned: GrantEvent = { type: 'Abandoned', grant: 'g', reason: 'x' };
    assert.equal(reached(abandoned).phase, 'abandoned');
    assert.equal(reached(opening(90), abandoned).phase, 'abandoned');
    assert.equal(reached(opening(90), opened(50), abandoned).phase, 'open');
  });
});

describe('a grant that is written down', () => {
  it('goes on as if it had not been', () => {
    const own = fc.array(body);
    fc.assert(
      fc.property(own, (events) => {
        const about = events.flatMap((each): GrantEvent[] => (isAbout(each) ? [each] : []));
        const direct = about.reduce(advanceGrant, fresh);
        const copied = about.reduce((state, each) => advanceGrant(copy(state), each), fresh);
        assert.deepEqual(copied, direct);
      }),
    );
  });
});

describe('the fold of a journal', () => {
  it('takes any events in any order and number, without throwing', async () => {
    await fc.assert(
      fc.asyncProperty(journal, async (events) => {
        for (const [id, state] of await foldGrants(events)) {
          assert.equal(state.context.id, id);
          assert.ok(!isFinal(state));
        }
      }),
    );
  });

  it('never brings back a grant that was closed or abandoned', () => {
    fc.assert(
      fc.property(journal, journal, (before, rest) => {
        const fold = createGrantFold();
        const begun = new Set<string>();
        for (const each of before) {
          fold.apply(each);
          for (const id of fold.live.keys()) begun.add(id);
        }
        const gone = [...begun].filter((id) => !fold.live.has(id));
        for (const each of [...before, ...rest]) fold.apply(each);
        for (const id of gone) assert.ok(!fold.live.has(id));
      }),
    );
  });

  it('is not changed by an event that comes twice in a row', async () => {
    await fc.assert(
      fc.asyncProperty(journal, async (events) => {
        // A failed close counts its attempts by number, so a repeat counts nothing.
        const doubled: JournalEvent[] = events.flatMap((each): JournalEvent[] =>
          each.type === 'Closing' ? [each] : [each, each],
        );
        assert.deepEqual([...(await foldGrants(doubled))], [...(await foldGrants(events))]);
      }),
    );
  });

  it('knows a grant by its Opening when its Completed was trimmed away', async () => {
    const cut: JournalEvent = { ...opening(90), id: '5-0', host: 'h', atMs: 5 };
    const [state] = [...(await foldGrants([cut])).values()];
    assert.equal(state?.phase, 'opening');
    assert.equal(state?.context.door, 'door');
    assert.equal(state?.context.eventId, '5-0');
  });

  it('knows a grant of the cluster by the name that the cluster gave it', async () => {
    const given = { grant: 'other-17-42', from: 'other', knockedAtMs: 3, openForMs: 7 };
    const stamp = { id: '5-0', host: 'h', atMs: 5 };
    const completed: JournalEvent = { type: 'Completed', ...names, ...given, ...stamp };
    const begun: JournalEvent = { ...opening(90), grant: given.grant, ...stamp, id: '6-0' };
    const folded = await foldGrants([completed, begun]);
    assert.deepEqual([...folded.keys()], ['other-17-42']);
    const { context } = folded.get('other-17-42') ?? {};
    assert.equal(context?.eventId, '5-0', 'a trim must leave its Completed');
    assert.equal(context.completedAtMs, 5);
    assert.equal(context.knockedAtMs, 3);
    assert.equal(context.from, 'other');
    assert.equal(context.openForMs, 7);
  });
});
