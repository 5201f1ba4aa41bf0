import assert from 'node:assert/strict';
import fc from 'fast-check';
import { advanceGrant, deadlineOf, type GrantEvent, isFinal } from '../../machines/grant.js';
import { Course } from '../../src/cluster/course.js';
import type { ClusterMessage } from '../../src/cluster/types.js';
import { createClusterView } from '../../src/cluster/view.js';
import { foldGrants, grantOf } from '../../src/jobs/fold.js';
import type { EventBody, JournalEvent } from '../../src/journal/events.js';

const SEED = Number(process.env['VIEW_SEED'] ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env['VIEW_RUNS'] ?? 300);

const NOW_MS = 1_700_000_000_000;
const HOSTS = ['b1', 'b2', 'b3'];
const names = { door: 'ssh', source: '192.0.2.7', configuration: 'c' };

type Report = Extract<ClusterMessage, { readonly kind: 'report' }>;

function report(host: string, id: string, event: EventBody): Report {
  return { kind: 'report', host, id, atMs: NOW_MS, event };
}

const eventOf = ({ host, id, atMs, event }: Report): JournalEvent => ({ ...event, host, id, atMs });

/** A grant of the cluster from its completion to its end, on one host. */
function life(host: string, grant: string, from: number): Report[] {
  const bodies: EventBody[] = [
    { type: 'Completed', ...names, grant, from: 'b1', knockedAtMs: NOW_MS },
    { type: 'Opening', grant, ...names, until: NOW_MS + 10_000 },
    { type: 'Opened', grant, sink: 'exec', until: NOW_MS + 10_000 },
    { type: 'Closing', grant, cause: 'deadline' },
    { type: 'Closed', grant, sink: 'exec' },
  ];
  return bodies.map((body, index) => report(host, `${from + index}-0`, body));
}

describe('the view of the cluster', () => {
  it('shows what is open where, with the time left by the clock of that host', () => {
    const view = createClusterView();
    const [completed, opening, opened, closing, closed] = life('b2', 'g', 1) as Report[];
    const shown = (aheadMs = 0) => view.grants(NOW_MS, () => aheadMs);
    const grant = { grant: 'g', host: 'b2', door: 'ssh', source: '192.0.2.7' };
    assert.equal(view.apply(completed!), true);
    assert.deepEqual(shown(), [{ ...grant, state: 'opening', leftSeconds: null }]);
    view.apply(opening!);
    assert.deepEqual(shown(), [{ ...grant, state: 'opening', leftSeconds: 10 }]);
    view.apply(opened!);
    assert.deepEqual(shown(), [{ ...grant, state: 'open', leftSeconds: 10 }]);
    assert.deepEqual(shown(2500), [{ ...grant, state: 'open', leftSeconds: 7.5 }]);
    assert.deepEqual(shown(10_400), [{ ...grant, state: 'open', leftSeconds: -0.4 }]);
    view.apply(closing!);
    assert.equal(shown()[0]?.state, 'closing');
    view.apply(closed!);
    assert.deepEqual(shown(), []);
  });

  it('shows a door that could not be closed, and one that never closes until it is', () => {
    const view = createClusterView();
    const events = life('b1', 'g', 1).slice(0, 4);
    const failed = { sink: 'exec', attempt: 11, final: true, reason: 'exit code 1' };
    for (const message of events) view.apply(message);
    view.apply(report('b1', '9-0', { type: 'CloseFailed', grant: 'g', ...failed }));
    assert.equal(view.grants(NOW_MS, () => 0)[0]?.state, 'failed');
    view.apply(report('b1', '10-0', { type: 'Closed', grant: 'g', sink: 'exec' }));
    assert.deepEqual(
      view.grants(NOW_MS, () => 0),
      [],
    );
  });

  it('names a grant by its completion where the cluster gave no id', () => {
    const view = createClusterView();
    view.apply(report('b3', '17-4', { type: 'Completed', ...names }));
    assert.equal(view.grants(NOW_MS, () => 0)[0]?.grant, 'b3-17-4');
    view.apply(report('b3', '17-5', { type: 'Abandoned', grant: 'b3-17-4', reason: 'too old' }));
    assert.deepEqual(
      view.grants(NOW_MS, () => 0),
      [],
    );
  });

  it('keeps the same grant on different hosts apart', () => {
    const view = createClusterView();
    const b1 = life('b1', 'g', 1);
    const b2 = life('b2', 'g', 1);
    for (const message of [...b1.slice(0, 3), ...b2.slice(0, 3)]) view.apply(message);
    for (const message of b1.slice(3)) view.apply(message);
    const shown = view.grants(NOW_MS, () => 0);
    assert.deepEqual(
      shown.map(({ host, state }) => [host, state]),
      [['b2', 'open']],
    );
    view.forget('b2');
    assert.deepEqual(
      view.grants(NOW_MS, () => 0),
      [],
    );
  });

  it('takes nothing but reports, and each once and in order', () => {
    const view = createClusterView();
    const [completed, opening] = life('b1', 'g', 9) as Report[];
    const order = { type: 'Confirmed' as const, grant: 'g' };
    const message: ClusterMessage = { kind: 'order', host: 'b1', id: '5-0', atMs: NOW_MS, order };
    assert.equal(view.apply(message), false);
    assert.equal(view.apply(opening!), true);
    assert.equal(view.apply(opening!), false);
    assert.equal(view.apply(completed!), false);
    assert.equal(view.apply(report('b1', '9-0', { type: 'HostStopped' })), false);
    // As numbers: 100 is more than 11.
    assert.equal(view.apply(report('b1', '100-0', { type: 'HostStopped' })), true);
    assert.equal(view.apply(report('b1', '11-0', { type: 'HostStopped' })), false);
    assert.equal(view.apply(report('b2', '1-0', { type: 'HostStopped' })), true);
  });

  it('forgets a finished grant, but a late echo of it does not bring it back', () => {
    const view = createClusterView();
    let id = 1;
    for (let index = 0; index < 5000; index += 1) {
      for (const message of life('b1', `g${index}`, id)) view.apply(message);
      id += 5;
    }
    const [completed, opening] = life('b1', 'g0', 0) as Report[];
    for (const { event } of [completed!, opening!]) {
      id += 1;
      assert.equal(view.apply(report('b1', `${id}-0`, event)), true);
    }
    assert.deepEqual(
      view.grants(NOW_MS, () => 0),
      [],
    );
  });

  it('is bounded, though a host never told the ends of its grants', () => {
    const view = createClusterView();
    for (let index = 0; index < 7000; index += 1) {
      view.apply(life('b1', `g${index}`, index)[0]!);
    }
    const shown = view.grants(NOW_MS, () => 0);
    assert.equal(shown.length, 5000);
    assert.equal(shown.at(-1)?.grant, 'g6999');
  });

  it('takes 100,000 reports in a moment', function () {
    this.timeout(20_000);
    const reports: Report[] = [];
    for (let index = 0; index < 20_000; index += 1) {
      reports.push(...life(HOSTS[index % 3]!, `g${index}`, index * 5));
    }
    const view = createClusterView();
    const startedMs = performance.now();
    for (const message of reports) view.apply(message);
    const tookMs = performance.now() - startedMs;
    assert.deepEqual(
      view.grants(NOW_MS, () => 0),
      [],
    );
    // The machine alone would take more than four seconds; usually it is 0.1 s.
    assert.ok(tookMs < 1500, `${tookMs} ms`);
  });

  describe(`on any events (VIEW_RUNS=${RUNS}, VIEW_SEED=${SEED})`, () => {
    const options = { numRuns: RUNS, seed: SEED };

    it('gives for each host what the fold of its own journal gives', async () => {
      const property = fc.asyncProperty(fc.array(report_, { maxLength: 120 }), async (drawn) => {
        const view = createClusterView();
        const journals = new Map(HOSTS.map((host) => [host, [] as JournalEvent[]]));
        let last: Report | undefined;
        for (const [index, { host, body, isRepeated }] of drawn.entries()) {
          const message = report(host, `${index + 1}-0`, body);
          assert.equal(view.apply(message), true);
          journals.get(host)?.push(eventOf(message));
          if (isRepeated) assert.equal(view.apply(message), false);
          if (isRepeated && last?.host === host) assert.equal(view.apply(last), false);
          last = message;
        }
        const expected = [];
        for (const host of HOSTS) {
          for (const state of (await foldGrants(journals.get(host) ?? [])).values()) {
            const deadline = deadlineOf(state);
            const leftSeconds = deadline === null ? null : (deadline - NOW_MS) / 1000;
            expected.push({ grant: state.context.id, host, leftSeconds });
          }
        }
        const shown = view.grants(NOW_MS, () => 0);
        assert.deepEqual(
          shown.map(({ grant, host, leftSeconds }) => ({ grant, host, leftSeconds })),
          expected,
        );
      });
      await fc.assert(property, options);
    });

    it('knows the end of a grant when the machine does', () => {
      const property = fc.property(fc.oneof(mutatedLife, fc.array(aboutGrant)), (events) => {
        const { host, id, atMs } = report('b1', '1-0', { type: 'HostStopped' });
        let state = grantOf({ type: 'Completed', ...names, host, id, atMs });
        const course = new Course(state);
        for (const event of events) {
          state = advanceGrant(state, event);
          course.add(event);
          assert.equal(course.isOver, isFinal(state));
          if (isFinal(state)) return;
        }
        assert.deepEqual(course.state, state);
      });
      fc.assert(property, { ...options, numRuns: RUNS * 10 });
    });
  });
});

const grants = fc.constantFrom('g1', 'g2', 'g3');
const sink = fc.constantFrom('exec', 'nftables');
const untilMs = fc.constantFrom(NOW_MS + 1000, NOW_MS + 2000, NOW_MS - 1000);
const until = fc.oneof({ weight: 4, arbitrary: untilMs }, fc.constant(null));
const reason = fc.constant('exit code 1');

function aboutOne(grant: fc.Arbitrary<string>): fc.Arbitrary<GrantEvent>[] {
  const type = <T extends string>(name: T) => fc.constant(name);
  const cause = fc.constantFrom('deadline' as const, 'revoked' as const);
  const attempt = fc.integer({ min: 1, max: 3 });
  const opening = fc.record({ type: type('Opening'), grant, until });
  return [
    opening.map((event) => ({ ...event, ...names })),
    fc.record({ type: type('Opened'), grant, sink, until }),
    fc.record({ type: type('OpenFailed'), grant, sink, until, reason }),
    fc.record({ type: type('Extended'), grant, source: type(names.source), until: untilMs }),
    fc.record({ type: type('Closing'), grant, cause }),
    fc.record({ type: type('Closed'), grant, sink }),
    fc.record({ type: type('Closed'), grant, sink }),
    fc.record({ type: type('CloseFailed'), grant, sink, attempt, final: fc.boolean(), reason }),
    fc.record({ type: type('Abandoned'), grant, reason }),
  ];
}

const aboutGrant = fc.oneof(...aboutOne(fc.constant('b1-1-0')));
/** A usual life of a grant with one sink or two, with a few events put in, left out or repeated. */
const mutatedLife = fc
  .record({
    sinks: fc.constantFrom(['exec'], ['exec', 'nftables']),
    until,
    sinkUntil: until,
    edits: fc.array(
      fc.record({
        at: fc.nat({ max: 7 }),
        remove: fc.nat({ max: 1 }),
        insert: fc.array(aboutGrant, { maxLength: 1 }),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ sinks, until: opening, sinkUntil, edits }) => {
    const grant = 'b1-1-0';
    const events: GrantEvent[] = [
      { type: 'Opening', grant, ...names, until: opening },
      ...sinks.map((one) => ({ type: 'Opened' as const, grant, sink: one, until: sinkUntil })),
      { type: 'Closing', grant, cause: 'deadline' },
      ...sinks.map((one) => ({ type: 'Closed' as const, grant, sink: one })),
    ];
    for (const { at, remove, insert } of edits) events.splice(at, remove, ...insert);
    return events;
  });
const report_ = fc.record({
  host: fc.constantFrom(...HOSTS),
  isRepeated: fc.boolean(),
  body: fc.oneof<fc.Arbitrary<EventBody>[]>(
    grants.map((grant) => ({ type: 'Completed' as const, ...names, grant })),
    fc.constant({ type: 'Completed' as const, ...names }),
    fc.constant({ type: 'HostStarted' as const, version: '1.0' }),
    ...aboutOne(grants),
  ),
});
