import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { ActingSink, DeliveryHost, TellingSink, untilAborted } from './host.js';

describe('deliveries', () => {
  let host: DeliveryHost;
  before(async () => {
    host = await DeliveryHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  it('tells of opening and closing, once each, in this order, with the same grant', async () => {
    const ops = new TellingSink('webhook:ops');
    const door = host.door('d', [ops.sink]);
    const running = await host.run();
    const grant = await host.knock(running, door);
    const delivered = await host.eventsOf(running, 'Delivered', 2);
    assert.deepEqual(ops.events(), ['open', 'close']);
    assert.deepEqual(
      delivered.map(({ grant: of, sink, event, attempt }) => [of, sink, event, attempt]),
      [
        [grant, 'webhook:ops', 'open', 1],
        [grant, 'webhook:ops', 'close', 1],
      ],
    );
    const [completed] = await host.eventsOf(running, 'Completed');
    const [opened] = await host.eventsOf(running, 'Opened');
    const [open, close] = ops.told;
    assert.equal(open?.grant.completedAtMs, completed?.atMs);
    assert.equal(open?.grant.untilMs, opened?.until);
    assert.equal(open?.atMs, opened?.happenedAtMs);
    assert.ok((open?.grant.leftMs ?? 0) > 0 && (open?.grant.leftMs ?? 0) <= 200);
    assert.equal(close?.grant.leftMs, 0);
    assert.equal(close?.grant.untilMs, opened?.until);
    assert.ok((close?.atMs ?? 0) >= (open?.atMs ?? 0) + 200);
  });

  it('tells one that is only told of openings until when the other sinks are open', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    const slow = new ActingSink('exec', false);
    let opened = () => {};
    slow.answer = (what) => (what === 'open' ? new Promise((done) => (opened = done)) : undefined);
    const door = host.door('d', [slow.sink, ops.sink], { cmdTimeoutMs: 60_000 });
    const running = await host.run();
    await host.knock(running, door);
    await poll(() => slow.asked.length === 1, 'the command runs');
    opened();
    await host.eventsOf(running, 'Delivered');
    const reports = await host.eventsOf(running, 'Opened', 2);
    const until = reports.find(({ sink }) => sink === 'exec')?.until;
    assert.equal(ops.told[0]?.grant.untilMs, until);
    assert.ok(Math.abs((until ?? 0) - Date.now() - 60_000) < 2000);
  });

  it('delays no door: beside a sink that never answers, a firewall opens and closes as fast', async () => {
    const count = 20;
    const measure = async (name: string, beside: readonly TellingSink[]) => {
      const kernel = new ActingSink();
      const door = host.door(name, [kernel.sink, ...beside.map(({ sink }) => sink)]);
      const running = await host.run();
      const opened: number[] = [];
      const closed: number[] = [];
      for (let knock = 0; knock < count; knock += 1) {
        const fromMs = performance.now();
        const id = await host.knock(running, door, `192.0.2.${knock + 1}`);
        const asked = (what: string) =>
          poll(() => kernel.asked.find((each) => each.id === id && each.what === what), what);
        const opening = await asked('open');
        opened.push(opening.atMs - fromMs);
        void asked('close').then(({ atMs }) => closed.push(atMs - opening.atMs));
      }
      await poll(() => closed.length === count, 'all are closed');
      await running.stop();
      return { openedMs: median(opened), closedMs: median(closed) };
    };
    const stuck = new TellingSink('webhook:stuck');
    stuck.answer = untilAborted;
    const alone = await measure('alone', []);
    const beside = await measure('beside', [stuck]);
    assert.ok(stuck.told.length > 0);
    assert.ok(beside.openedMs < alone.openedMs + 250, JSON.stringify({ alone, beside }));
    assert.ok(Math.abs(beside.closedMs - alone.closedMs) < 250, JSON.stringify({ alone, beside }));
  });

  it('keeps a slow sink from no other one, and asks it eight times at once at most', async () => {
    const slow = new TellingSink('webhook:slow', ['open']);
    let now = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    slow.answer = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise<void>((done) => waiting.push(done));
      now -= 1;
    };
    const quick = new TellingSink('webhook:quick', ['open']);
    const door = host.door('d', [slow.sink, quick.sink]);
    const running = await host.run();
    const count = 100;
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        host.knock(running, door, `192.0.2.${(index % 250) + 1}`),
      ),
    );
    await poll(() => quick.told.length === count, 'the quick one is told of all');
    assert.equal(slow.told.length, 8);
    assert.deepEqual(
      running.deliveries.status().map(({ sink, owed }) => [sink, owed]),
      [['webhook:slow', count]],
    );
    await poll(() => {
      for (const done of waiting.splice(0)) done();
      return slow.told.length === count;
    }, 'the slow one is told of all');
    for (const done of waiting.splice(0)) done();
    await host.settled(running);
    assert.equal(most, 8);
    assert.equal(new Set(slow.told.map(({ id }) => id)).size, count, 'each once');
    await host.eventsOf(running, 'Delivered', 2 * count);
  });

  it("hides no sink's success behind another's failure", async () => {
    const bad = new TellingSink('webhook:bad', ['open']);
    bad.delaysMs = [];
    bad.answer = () => {
      throw new Error('the receiver answered 500');
    };
    const good = new TellingSink('webhook:good');
    const kernel = new ActingSink();
    const door = host.door('d', [kernel.sink, bad.sink, good.sink]);
    const running = await host.run();
    await host.knock(running, door);
    const [failed] = await host.eventsOf(running, 'DeliveryFailed');
    await host.eventsOf(running, 'Delivered', 2);
    assert.deepEqual(good.events(), ['open', 'close']);
    assert.deepEqual(
      kernel.asked.map(({ what }) => what),
      ['open', 'close'],
    );
    const { sink, event, attempt, final, reason } = failed ?? {};
    assert.deepEqual(
      { sink, event, attempt, final, reason },
      {
        sink: 'webhook:bad',
        event: 'open',
        attempt: 1,
        final: true,
        reason: 'the receiver answered 500',
      },
    );
    const errors = host.base.log.entries.filter(({ level }) => level === 'error');
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['not delivered, and given up'],
    );
  });

  it('tries again as the policy says, and says the first failure, the success, and no more', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [30, 60, 90, 120];
    const attemptsAtMs: number[] = [];
    ops.answer = () => {
      attemptsAtMs.push(performance.now());
      if (attemptsAtMs.length <= 3) throw new Error('no');
    };
    const door = host.door('d', [ops.sink]);
    const running = await host.run();
    await host.knock(running, door);
    const [delivered] = await host.eventsOf(running, 'Delivered');
    assert.equal(delivered?.attempt, 4);
    const gaps = attemptsAtMs.slice(1).map((atMs, index) => atMs - (attemptsAtMs[index] ?? 0));
    for (const [index, gapMs] of gaps.entries()) {
      const wantedMs = ops.delaysMs[index] ?? 0;
      assert.ok(
        gapMs >= wantedMs - 50 && gapMs < wantedMs + 900,
        `${gaps} by jobs, not by the tick`,
      );
    }
    const failures = await host.eventsOf(running, 'DeliveryFailed', 3);
    assert.deepEqual(
      failures.map(({ attempt, final }) => [attempt, final]),
      [
        [1, false],
        [2, false],
        [3, false],
      ],
    );
    assert.ok(
      failures.every(
        ({ atMs, nextAtMs = 0 }, index) =>
          Math.abs(nextAtMs - atMs - (ops.delaysMs[index] ?? 0)) < 30,
      ),
    );
    const said = host.base.log.entries.filter(({ fields }) => fields['sink'] === 'webhook:ops');
    assert.deepEqual(
      said.map(({ level }) => level),
      ['warn', 'debug', 'debug', 'info'],
    );
    assert.equal(new Set(ops.told.map(({ id }) => id)).size, 1);
    assert.equal(new Set(ops.told.map(({ atMs }) => atMs)).size, 1);
  });

  it('tells every sink that wants to know what failed, also those that act', async () => {
    const ops = new TellingSink('webhook:ops', ['failed']);
    const told: string[] = [];
    let tries = 0;
    const gate = {
      ...new ActingSink('module:gate', false).sink,
      async failed(_: unknown, reason: string) {
        tries += 1;
        if (tries === 1) throw new Error('not now');
        told.push(reason);
      },
    };
    const kernel = new ActingSink();
    kernel.answer = (what) => {
      throw new Error(`cannot ${what}`);
    };
    const door = host.door('d', [kernel.sink, gate, ops.sink], { stopRetries: 1 });
    const running = await host.run();
    await host.knock(running, door);
    const delivered = await host.eventsOf(running, 'Delivered', 5);
    const reasons = [
      'nftables did not open: cannot open',
      'nftables could not be closed, so the door may still be open: cannot close',
    ];
    const failed = ops.told.filter(({ event }) => event === 'failed');
    assert.deepEqual(
      failed.map(({ reason }) => reason),
      reasons,
    );
    assert.deepEqual(told.sort(), reasons.sort());
    const about = delivered.flatMap(({ sink, event, about: of }) =>
      of ? [`${sink} ${event} ${of}`] : [],
    );
    assert.deepEqual(about.sort(), [
      'module:gate failed close nftables',
      'module:gate failed open nftables',
      'webhook:ops failed close nftables',
      'webhook:ops failed open nftables',
    ]);
  });

  it('tells of a command without a stop that failed though others had opened long before', async () => {
    const ops = new TellingSink('webhook:ops', ['open', 'failed']);
    const mail = new TellingSink('email:oncall', ['open', 'failed']);
    const { close: _, ...endless } = new ActingSink('exec', false).sink;
    let fail = (_: Error) => {};
    const exec = { ...endless, open: () => new Promise<void>((_, reject) => (fail = reject)) };
    const door = host.door('backup', [exec, ops.sink, mail.sink]);
    const running = await host.run();
    await host.knock(running, door);
    await host.eventsOf(running, 'Delivered', 2);
    fail(new Error('status 1'));
    await host.eventsOf(running, 'Delivered', 4);
    for (const { told } of [ops, mail]) {
      assert.deepEqual(
        told.map(({ event, reason = '' }) => `${event} ${reason}`.trim()),
        ['open', 'failed exec did not open: status 1'],
      );
      assert.equal(told[0]?.grant.untilMs, null);
    }
  });

  it('does not say that it closed while it still says that it opened', async () => {
    const ops = new TellingSink('webhook:ops');
    let opened = () => {};
    ops.answer = ({ event }) =>
      event === 'open' ? new Promise<void>((done) => (opened = done)) : undefined;
    const door = host.door('d', [ops.sink], { cmdTimeoutMs: 50 });
    const later = new TellingSink('webhook:later');
    const other = host.door('other', [later.sink], { cmdTimeoutMs: 50 });
    const running = await host.run();
    await host.knock(running, door);
    await host.eventsOf(running, 'Closed');
    assert.equal(running.deliveries.status()[0]?.owed, 2);
    // Jobs of the other sink come behind those of this one.
    await host.knock(running, other);
    await poll(() => later.told.length === 2, 'the other sink is told of both');
    assert.deepEqual(ops.events(), ['open']);
    opened();
    await host.settled(running);
    assert.deepEqual(ops.events(), ['open', 'close']);
  });

  it('breaks off an attempt that takes too long, even where the sink does not care', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    let tries = 0;
    ops.answer = () => {
      tries += 1;
      return tries === 1 ? new Promise<never>(() => {}) : undefined;
    };
    const door = host.door('d', [ops.sink]);
    const running = await host.run({ attemptMs: 100 });
    await host.knock(running, door);
    const [failed] = await host.eventsOf(running, 'DeliveryFailed');
    assert.equal(failed?.reason, 'it took longer than 0.1 s');
    assert.equal(ops.told[0]?.signal.aborted, true);
    const [delivered] = await host.eventsOf(running, 'Delivered');
    assert.equal(delivered?.attempt, 2);
  });

  it('keeps a reason short in the journal', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [];
    ops.answer = () => {
      throw new Error('x'.repeat(100_000));
    };
    const door = host.door('d', [ops.sink]);
    const running = await host.run();
    await host.knock(running, door);
    const [failed] = await host.eventsOf(running, 'DeliveryFailed');
    assert.ok((failed?.reason.length ?? 0) <= 501);
  });

  it('lets go within 200 ms, and lets an attempt that is about to end do so', async () => {
    const stuck = new TellingSink('webhook:stuck', ['open']);
    stuck.answer = () => new Promise(() => {});
    const ending = new TellingSink('webhook:ending', ['open']);
    let answer = () => {};
    ending.answer = () => new Promise<void>((done) => (answer = done));
    const door = host.door('d', [stuck.sink, ending.sink]);
    const running = await host.run();
    const grant = await host.knock(running, door);
    await poll(() => stuck.told.length + ending.told.length === 2, 'both are being told');
    const fromMs = performance.now();
    const stopping = running.deliveries.stop();
    answer();
    await stopping;
    const tookMs = performance.now() - fromMs;
    assert.ok(tookMs < 250, `${tookMs} ms`);
    const [delivered] = await host.eventsOf(running, 'Delivered');
    assert.deepEqual([delivered?.grant, delivered?.sink], [grant, 'webhook:ending']);
    assert.equal(
      (await host.events(running)).some(({ type }) => type === 'DeliveryFailed'),
      false,
    );
    assert.equal(stuck.told[0]?.signal.aborted, true);
  });
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
