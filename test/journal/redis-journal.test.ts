import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareIds } from '../../src/journal/ids.js';
import { all, completed, JournalBench, range } from './support.js';

describe('the journal', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  it('gives back what was appended, in the order of the calls', async () => {
    const journal = await bench.open();
    const events = await Promise.all(range(1200).map((index) => journal.append(completed(index))));
    assert.deepEqual(await all(journal.read()), events);
    assert.deepEqual(
      events.map((event) => ('source' in event ? event.source : undefined)),
      range(1200).map((index) => `192.0.2.${index}`),
    );
    assert.equal(journal.rejected, 0);
  });

  it('reads from after an event on', async () => {
    const journal = await bench.open();
    const events = await Promise.all(range(10).map((index) => journal.append(completed(index))));
    assert.deepEqual(await all(journal.read({ after: events[6]!.id })), events.slice(7));
    assert.deepEqual(await all(journal.read({ after: events[9]!.id })), []);
  });

  it('stops reading when the signal aborts', async () => {
    const journal = await bench.open();
    await Promise.all(range(20).map((index) => journal.append(completed(index))));
    const stop = new AbortController();
    let seen = 0;
    for await (const _ of journal.read({ signal: stop.signal })) {
      seen += 1;
      if (seen === 5) stop.abort();
    }
    assert.equal(seen, 5);
  });

  it('holds every type of event', async () => {
    const journal = await bench.open();
    const grant = 'alpha-1-0';
    const bodies = [
      { type: 'HostStarted', version: '0.1.0' },
      { type: 'ConfigurationLoaded', configuration: 'digest', doors: ['ssh', 'ü name#2'] },
      {
        type: 'Opening',
        grant,
        door: 'ssh',
        source: '2001:db8::1',
        configuration: 'd',
        until: null,
      },
      { type: 'Opened', grant, sink: 'exec', until: 5 },
      { type: 'OpenFailed', grant, sink: 'exec', until: null, reason: 'exit code 1' },
      { type: 'Extended', grant, source: '2001:db8::1', until: 7 },
      { type: 'Closing', grant, cause: 'deadline' },
      { type: 'CloseFailed', grant, sink: 'exec', attempt: 1, final: false, reason: 'timeout' },
      { type: 'Closed', grant, sink: 'exec' },
      { type: 'Abandoned', grant, reason: 'too old' },
      { type: 'Counted', doors: { ssh: { begun: 1, spoiled: 2, expired: 3 } } },
      { type: 'HostStopped' },
    ] as const;
    for (const body of bodies) {
      await journal.append(
        body.type === 'ConfigurationLoaded' ? { ...body, doors: [...body.doors] } : body,
      );
    }
    const read = await all(journal.read());
    assert.deepEqual(
      read.map(({ id: _id, host: _host, atMs: _atMs, ...body }) => body),
      bodies,
    );
  });

  it('gives ids that grow though the clock goes back, also across a restart', async () => {
    let wall = Date.UTC(2030, 0, 1);
    const clock = { now: () => 0, wall: () => wall };
    const journal = await bench.open({ clock });
    const first = await journal.append(completed(1));
    wall -= 86_400_000;
    const second = await journal.append(completed(2));
    await journal.close();
    const reopened = await bench.open({ clock });
    const third = await reopened.append(completed(3));
    assert.ok(compareIds(first.id, second.id) < 0 && compareIds(second.id, third.id) < 0);
    assert.equal(third.atMs, wall);
    assert.deepEqual(await all(reopened.read()), [first, second, third]);
  });

  it('does not give the id of an event that was cut off a second time', async () => {
    const clock = { now: () => 0, wall: () => 1000 };
    const journal = await bench.open({ clock, length: 0 });
    const first = await journal.append(completed(1));
    await journal.trim(undefined);
    const reopened = await bench.open({ clock });
    assert.ok(compareIds(first.id, (await reopened.append(completed(2))).id) < 0);
  });

  it('reads 10,000 events within a second', async () => {
    const journal = await bench.open();
    await Promise.all(range(10_000).map((index) => journal.append(completed(index))));
    const before = performance.now();
    assert.equal((await all(journal.read())).length, 10_000);
    const tookMs = performance.now() - before;
    assert.ok(tookMs < 1000, `it took ${tookMs} ms`);
  });

  it('lets one of 100 concurrent claims win, and appends only its event', async () => {
    const [one, other] = [await bench.open(), await bench.open({ host: 'beta' })];
    const outcomes = await Promise.allSettled(
      range(100).map((index) => (index % 2 ? one : other).claim('c', completed(index))),
    );
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value);
    assert.equal(won.length, 1);
    assert.equal((await all(one.read())).length, 1);
    assert.deepEqual(await one.claimed(['c', 'd']), [true, false]);
    assert.deepEqual(await one.claimed([]), []);
  });

  it('keeps claims when their events are cut off', async () => {
    const journal = await bench.open({ length: 0 });
    await journal.claim('c', completed(1));
    await journal.trim(undefined);
    assert.deepEqual(await all(journal.read()), []);
    assert.equal(await journal.claim('c', completed(2)), undefined);
  });

  it('uses up no sequence when the event cannot be appended', async () => {
    const journal = await bench.open();
    await journal.append(completed(1));
    await bench.raw((redis) => redis.set(bench.streamKey, 'no stream'));
    await assert.rejects(journal.claim('c', completed(2)), { code: 'POSTERN_E_JOURNAL' });
    assert.deepEqual(await journal.claimed(['c']), [false]);
  });

  it('is cut to its length, but never at or after the event to keep', async () => {
    const kept = (events: number, length: number, keep: number | undefined) =>
      range(events).slice(Math.min(Math.max(0, events - length), keep ?? events));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(40),
        fc.nat(45),
        fc.option(fc.nat(39), { nil: undefined }),
        async (count, length, at) => {
          await bench.next();
          const journal = await bench.open({ length });
          const events = await Promise.all(
            range(count).map((index) => journal.append(completed(index))),
          );
          const keep = at === undefined || at >= count ? undefined : at;
          await journal.trim(keep === undefined ? undefined : events[keep]!.id);
          const expected = kept(count, length, keep).map((index) => events[index]);
          assert.deepEqual(await all(journal.read()), expected);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is cut far, page by page', async () => {
    const journal = await bench.open({ length: 10 });
    const events = await Promise.all(range(1700).map((index) => journal.append(completed(index))));
    await journal.trim(events[1200]!.id);
    assert.deepEqual(await all(journal.read()), events.slice(1200));
    await journal.trim(undefined);
    assert.deepEqual(await all(journal.read()), events.slice(-10));
  });

  it('is followed: first what is there, then each event as it comes, until the signal', async () => {
    const journal = await bench.open();
    const events = [await journal.append(completed(1)), await journal.append(completed(2))];
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const event of journal.follow({ signal: stop.signal })) {
      seen.push(event);
      if (seen.length === 5) stop.abort();
      else if (seen.length >= 2) events.push(await journal.append(completed(seen.length + 1)));
    }
    assert.deepEqual(seen, events);
  });

  it('lets go of a waiting follower at once, by its signal or by closing', async () => {
    const journal = await bench.open();
    const stop = new AbortController();
    const waiting = [
      all(journal.follow({ signal: stop.signal })),
      all(journal.follow({ signal: new AbortController().signal })),
    ];
    await journal.append(completed(1));
    const before = performance.now();
    stop.abort();
    await waiting[0];
    await journal.close();
    await waiting[1];
    assert.ok(performance.now() - before < 200);
  });

  it('refuses, with what Redis says, an append that Redis refuses', async () => {
    const journal = await bench.open();
    await bench.raw((redis) => redis.config('SET', 'maxmemory', '1'));
    try {
      const refusal = { code: 'POSTERN_E_JOURNAL', message: /Completed.*OOM/ };
      await assert.rejects(journal.append(completed(1)), refusal);
      await assert.rejects(journal.claim('c', completed(1)), refusal);
    } finally {
      await bench.raw((redis) => redis.config('SET', 'maxmemory', '0'));
    }
    assert.deepEqual(await journal.claimed(['c']), [false]);
  });
});
