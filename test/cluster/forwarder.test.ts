import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { createForwarder, type Forwarder } from '../../src/cluster/forwarder.js';
import type { Sealed, SharedRedis } from '../../src/cluster/types.js';
import type { JournalEvent } from '../../src/journal/events.js';
import type { Journal } from '../../src/journal/types.js';
import { JournalBench } from '../journal/support.js';
import { MemoryJournal } from '../support/memory-journal.js';
import { poll } from '../support/poll.js';
import { recordingLog } from '../support/recording-log.js';
import { FakeRedis } from './support/fake-redis.js';
import { FakeShared } from './support/fake-shared.js';
import { SharedBench } from './wire/support.js';

/** `FORWARD_RUNS` scenarios of each kind; `FORWARD_SEED` gives a failed run again. */
const RUNS = Number(process.env['FORWARD_RUNS'] ?? 40);
const SEED = Number(process.env['FORWARD_SEED'] ?? Date.now() % 2 ** 31);
const AT_ONCE = 20;

const seal = (event: JournalEvent): Sealed => ['id', event.id];
const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id);
const forwarded = (redis: FakeRedis) => redis.journal.map(({ fields }) => fields[1] ?? '');

describe('the forwarder', () => {
  const running: Forwarder[] = [];
  afterEach(async () => {
    for (const forwarder of running.splice(0)) await forwarder.stop();
  });

  function start(
    shared: SharedRedis,
    journal: Journal,
    { seal: sealed = seal, log = recordingLog() } = {},
  ) {
    const forwarder = createForwarder({ shared, journal, host: 'host', seal: sealed, log });
    running.push(forwarder);
    forwarder.start();
    return forwarder;
  }

  it('forwards the events of its own host, in order, as they come', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    await append(journal, 3);
    journal.events.push({ ...journal.events[0]!, id: '9999999999999-0', host: 'another' });
    const forwarder = start(shared, journal);
    await forwarder.isIdle();
    const ours = journal.events.filter(({ host }) => host === 'host');
    assert.deepEqual(forwarded(shared.redis), idsOf(ours));
    assert.equal(forwarder.position, ours.at(-1)?.id);
    assert.equal(forwarder.behind, 0);
    assert.equal(shared.redis.heads.get('host'), ours.at(-1)?.id);
  });

  it('sends one event at once, and many in batches of a hundred, one at a time', async () => {
    const shared = new FakeShared();
    const sizes: number[] = [];
    let underway = 0;
    const forward = shared.forward.bind(shared);
    shared.forward = async (head, reports) => {
      sizes.push(reports.length);
      underway += 1;
      assert.equal(underway, 1);
      const answer = await forward(head, reports);
      underway -= 1;
      return answer;
    };
    shared.latency = () => setTimeout(2);
    const journal = new MemoryJournal();
    const forwarder = start(shared, journal);
    await forwarder.isIdle();
    await append(journal, 1);
    await poll(() => forwarder.position === journal.events[0]?.id, 'the event is there');
    assert.deepEqual(sizes.splice(0), [1]);
    await append(journal, 450);
    await forwarder.isIdle();
    assert.deepEqual(forwarded(shared.redis), idsOf(journal.events));
    assert.ok(sizes.length <= 6, `sizes ${sizes}`);
    assert.ok(Math.max(...sizes) <= 100, `sizes ${sizes}`);
  });

  it('does not make a lone event wait for others', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    const forwarder = start(shared, journal);
    const waits: number[] = [];
    for (let turn = 0; turn < 10; turn += 1) {
      await forwarder.isIdle();
      await setTimeout(25);
      const sentMs = performance.now();
      shared.forward = async (head, reports) => {
        waits.push(performance.now() - sentMs);
        return FakeShared.prototype.forward.call(shared, head, reports);
      };
      await append(journal, 1);
      await poll(() => waits.length > turn, 'the event is sent');
    }
    const median = waits.sort((a, b) => a - b)[5] ?? 0;
    assert.ok(median < 10, `${median} ms`);
  });

  it('counts what the cluster lacks while away, and then sends all of it once', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal('host', undefined, 100_000);
    const log = recordingLog();
    const forwarder = start(shared, journal, { log });
    await append(journal, 10);
    await forwarder.isIdle();
    shared.lose();
    await append(journal, 3456);
    await poll(() => forwarder.behind === 3456, 'all are counted');
    assert.equal(forwarder.position, journal.events[9]?.id);
    await append(journal, 1);
    await poll(() => forwarder.behind === 3457, 'the next is counted');
    shared.restore();
    await append(journal, 100);
    await forwarder.isIdle();
    assert.deepEqual(forwarded(shared.redis), idsOf(journal.events));
    assert.equal(forwarder.behind, 0);
    assert.deepEqual(log.entries, []);
  });

  it('goes on where it was after a restart, and counts before the shared Redis is there', async () => {
    const redis = new FakeRedis();
    const journal = new MemoryJournal();
    await append(journal, 5);
    const first = start(new FakeShared(redis), journal);
    await first.isIdle();
    await first.stop();
    await append(journal, 5);
    const shared = new FakeShared(redis, 'host', { isReady: false });
    const second = start(shared, journal);
    await poll(() => second.behind === 10, 'counted without knowing what is there');
    shared.restore();
    await second.isIdle();
    assert.deepEqual(forwarded(redis), idsOf(journal.events));
    await second.stop();
    await append(journal, 2);
    second.start();
    await second.isIdle();
    assert.deepEqual(forwarded(redis), idsOf(journal.events));
  });

  it('says once that events wait, goes on trying, and says when they are there', async () => {
    const shared = new FakeShared();
    const log = recordingLog();
    const journal = new MemoryJournal();
    const forwarder = start(shared, journal, { log });
    await forwarder.isIdle();
    let refusals = 0;
    shared.fault = (command) => {
      if (command !== 'forward' || refusals >= 3) return undefined;
      refusals += 1;
      return 'refused';
    };
    await append(journal, 7);
    await forwarder.isIdle();
    assert.equal(refusals, 3);
    assert.deepEqual(forwarded(shared.redis), idsOf(journal.events));
    await poll(() => log.entries.length === 2, 'both lines are there');
    assert.deepEqual(
      log.entries.map(({ level }) => level),
      ['warn', 'info'],
    );
    assert.equal(log.entries[1]?.fields['events'], 7);
  });

  it('leaves out an event that cannot be sealed, and says so', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    const log = recordingLog();
    await append(journal, 250);
    const bad = new Set([...idsOf(journal.events).slice(0, 120), journal.events[249]?.id]);
    const forwarder = start(shared, journal, {
      log,
      seal: (event) => {
        if (bad.has(event.id)) throw new Error('too long');
        return seal(event);
      },
    });
    await forwarder.isIdle();
    assert.deepEqual(
      forwarded(shared.redis),
      idsOf(journal.events).filter((id) => !bad.has(id)),
    );
    assert.equal(forwarder.behind, 0);
    assert.equal(log.entries.length, bad.size);
  });

  it('keeps no event back for a head that its journal does not reach', async () => {
    const heads = [
      '99999999999999-0',
      '18446744073709551615-18446744073709551615',
      'x',
      '9'.repeat(40),
    ];
    for (const head of [...heads, '99999999999999999999-0', '-', '(1-1', '']) {
      const shared = new FakeShared();
      const journal = new MemoryJournal();
      const log = recordingLog();
      await append(journal, 20);
      shared.redis.heads.set('host', head);
      const forwarder = start(shared, journal, { log });
      await forwarder.isIdle();
      assert.deepEqual(forwarded(shared.redis), idsOf(journal.events), `head ${head}`);
      assert.equal(log.entries.filter(({ level }) => level === 'error').length, 1);
      // Later it goes on from what was confirmed, not from the beginning.
      for (const again of [head, '88888888888888-0']) {
        shared.lose();
        shared.redis.heads.set('host', again);
        await append(journal, 5);
        shared.restore();
        await forwarder.isIdle();
      }
      assert.deepEqual(forwarded(shared.redis), idsOf(journal.events), `head ${head}`);
      assert.equal(log.entries.filter(({ level }) => level === 'error').length, 1);
      await forwarder.stop();
    }
  });

  it('trusts no head beyond what it sent, though its journal reaches that far', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    await append(journal, 5);
    const forwarder = start(shared, journal);
    await forwarder.isIdle();
    shared.lose();
    await append(journal, 5);
    shared.redis.heads.set('host', journal.events[8]?.id ?? '');
    shared.restore();
    await forwarder.isIdle();
    assert.deepEqual(forwarded(shared.redis), idsOf(journal.events));
  });

  it('sends again what a flushed Redis, or an older copy of it, lost', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    const forwarder = start(shared, journal);
    await append(journal, 10);
    await forwarder.isIdle();
    const backup = shared.redis.backup();
    await append(journal, 10);
    await forwarder.isIdle();
    shared.lose();
    shared.redis.putBack(backup);
    shared.restore();
    await forwarder.isIdle();
    assert.deepEqual(forwarded(shared.redis), idsOf(journal.events));
    // Unnoticed: the connection stays.
    shared.redis.flush();
    await append(journal, 1);
    await poll(() => shared.redis.journal.length === 21, 'all is there again');
    assert.deepEqual(forwarded(shared.redis), idsOf(journal.events));
  });

  it('ends at once, also amid an outage', async () => {
    for (const isReady of [true, false]) {
      const shared = new FakeShared(new FakeRedis(), 'host', { isReady });
      const journal = new MemoryJournal();
      await append(journal, 10);
      shared.fault = () => 'refused';
      const forwarder = start(shared, journal);
      await setTimeout(30);
      const startedMs = performance.now();
      await forwarder.stop();
      assert.ok(performance.now() - startedMs < 100);
      const calls = [...shared.calls.values()];
      await append(journal, 10);
      await setTimeout(30);
      assert.deepEqual([...shared.calls.values()], calls);
    }
  });

  describe(`through any failures (FORWARD_RUNS=${RUNS}, FORWARD_SEED=${SEED})`, () => {
    it('loses nothing, doubles nothing, and keeps the order', async function () {
      this.timeout(10_000 + RUNS * 500);
      await inParallel(scenarios(honestSteps), async (steps) => {
        const scene = await play(steps);
        assert.deepEqual(forwarded(scene.redis), idsOf(scene.journal.events));
        assert.equal(scene.forwarder.behind, 0);
      });
    });

    it('keeps nothing back from a hostile Redis that turns honest', async function () {
      this.timeout(10_000 + RUNS * 500);
      await inParallel(scenarios(hostileSteps), async (steps) => {
        const { redis, journal } = await play(steps);
        const there = new Set(forwarded(redis));
        const missing = idsOf(journal.events).filter((id) => !there.has(id));
        assert.deepEqual(missing, []);
      });
    });
  });
});

describe('the forwarder between real servers', () => {
  const local = new JournalBench();
  const bench = new SharedBench();
  before(() => Promise.all([local.start(), bench.start()]));
  afterEach(() => Promise.all([local.next(), bench.next()]));
  after(() => Promise.all([local.stop(), bench.stop()]));

  it('loses nothing and doubles nothing though its connections are cut', async function () {
    this.timeout(30_000);
    const journal = await local.open({ host: 'alpha' });
    const shared = await bench.ready({ host: 'alpha', journalLength: 1_000_000 });
    const log = recordingLog();
    const forwarder = createForwarder({
      ...{ shared, journal, host: 'alpha', log },
      seal: (event) => ['id', event.id],
    });
    forwarder.start();
    const ids: string[] = [];
    const cuts = () => log.entries.filter(({ level }) => level === 'warn').length;
    await bench.raw(async (redis) => {
      for (let round = 0; round < 300 && cuts() < 5; round += 1) {
        const sent = Array.from({ length: 300 }, () => journal.append({ type: 'HostStopped' }));
        await setTimeout(round % 20);
        await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        ids.push(...idsOf(await Promise.all(sent)));
        await forwarder.isIdle();
      }
    });
    await forwarder.isIdle();
    await forwarder.stop();
    const entries = await bench.entries();
    assert.deepEqual(
      entries.map(([, id]) => id),
      ids,
    );
    assert.equal(forwarder.position, ids.at(-1));
    assert.ok(
      log.entries.some(({ level }) => level === 'warn'),
      'no answer was ever lost',
    );
  });
});

async function append(journal: Journal, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await journal.append({ type: 'HostStopped' });
}

type Step =
  | { readonly do: 'append'; readonly count: number }
  | { readonly do: 'lose' | 'restore' | 'back up' | 'put back' | 'flush' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'latency'; readonly ms: number }
  | { readonly do: 'fault'; readonly fault: 'refused' | 'answer lost'; readonly count: number }
  | { readonly do: 'head'; readonly head: string };

const doing = <T extends Step['do']>(what: T) =>
  fc.constant({ do: what } as Extract<Step, { do: T }>);
const honest: fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 260 }) }),
  fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ do: fc.constant('latency' as const), ms: fc.integer({ min: 0, max: 10 }) }),
  fc.record({
    do: fc.constant('fault' as const),
    fault: fc.constantFrom('refused' as const, 'answer lost' as const),
    count: fc.integer({ min: 1, max: 2 }),
  }),
  ...([doing('lose'), doing('restore'), doing('back up')] as fc.Arbitrary<Step>[]),
  ...([doing('put back'), doing('flush')] as fc.Arbitrary<Step>[]),
];
const honestSteps = fc.array(fc.oneof(...honest), { minLength: 3, maxLength: 25 });
const hostileSteps = fc.array(
  fc.oneof(
    honest[0]!,
    ...honest.slice(2, 4),
    ...([doing('lose'), doing('restore')] as fc.Arbitrary<Step>[]),
    fc.record({
      do: fc.constant('head' as const),
      head: fc.oneof(
        fc.constantFrom('0-0', '0-1', '1-0', '99999999999999-7', 'nothing', ''),
        fc.string(),
        fc.bigInt({ min: 0n, max: 2n ** 70n }).map((ms) => `${ms}-0`),
      ),
    }),
  ),
  { minLength: 3, maxLength: 25 },
);

function scenarios(steps: fc.Arbitrary<Step[]>): Step[][] {
  return fc.sample(steps, { numRuns: RUNS, seed: SEED });
}

async function inParallel(
  all: readonly Step[][],
  run: (steps: readonly Step[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < all.length; at += AT_ONCE) {
    await Promise.all(
      all.slice(at, at + AT_ONCE).map((steps) =>
        run(steps).catch((error) => {
          const story = JSON.stringify(steps);
          throw new Error(`FORWARD_SEED=${SEED}: ${story}: ${error.message}`, { cause: error });
        }),
      ),
    );
  }
}

/** One forwarder through all steps, then in peace until it is idle. */
async function play(steps: readonly Step[]) {
  const redis = new FakeRedis();
  const shared = new FakeShared(redis);
  const journal = new MemoryJournal('host', undefined, 100_000);
  const forwarder = createForwarder({
    ...{ shared, journal, host: 'host', seal, log: recordingLog() },
  });
  forwarder.start();
  let backup = redis.backup();
  let faults: ('refused' | 'answer lost')[] = [];
  shared.fault = () => faults.pop();
  for (const step of steps) {
    if (step.do === 'append') await append(journal, step.count);
    else if (step.do === 'wait') await setTimeout(step.ms);
    else if (step.do === 'latency') shared.latency = () => setTimeout(step.ms);
    else if (step.do === 'fault') faults = Array(step.count).fill(step.fault);
    else if (step.do === 'head') redis.heads.set('host', step.head);
    else if (step.do === 'lose') shared.lose();
    else if (step.do === 'restore') shared.restore();
    else if (step.do === 'back up') backup = redis.backup();
    else if (step.do === 'put back') redis.putBack(backup);
    else redis.flush();
  }
  faults = [];
  // What a failover lost is noticed on the next connection.
  shared.lose();
  shared.restore();
  await forwarder.isIdle();
  await forwarder.stop();
  return { redis, journal, forwarder };
}
