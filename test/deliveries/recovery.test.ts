import assert from 'node:assert/strict';
import { grantId } from '../../src/journal/events.js';
import type { RedisJournal } from '../../src/journal/redis-journal.js';
import { SOURCE } from '../jobs/host.js';
import { poll } from '../support/poll.js';
import { ActingSink, DeliveryHost, TellingSink, type Told, untilAborted } from './host.js';

const DAY_MS = 86_400_000;

describe('recovery of deliveries', () => {
  let host: DeliveryHost;
  before(async () => {
    host = await DeliveryHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const past = (agoMs: number, write: (journal: RedisJournal) => Promise<void>) =>
    host.base.past(agoMs, write);

  /** A grant that an earlier run opened and closed again. */
  async function closedGrant(journal: RedisJournal, door: string, sink: string): Promise<string> {
    const names = { door, source: SOURCE, configuration: 'c1' };
    const grant = grantId(await journal.append({ type: 'Completed', ...names }));
    await journal.append({ type: 'Opening', grant, ...names, until: Date.now() });
    await journal.append({ type: 'Opened', grant, sink, until: Date.now() });
    await journal.append({ type: 'Closing', grant, cause: 'deadline' });
    await journal.append({ type: 'Closed', grant, sink });
    return grant;
  }

  it('tells again, as the same, what a crash left half told', async () => {
    const ops = new TellingSink('webhook:ops');
    ops.answer = untilAborted;
    const kernel = new ActingSink();
    const door = host.door('d', [kernel.sink, ops.sink], { cmdTimeoutMs: 60_000 });
    const first = await host.run();
    const grant = await host.knock(first, door);
    await poll(() => ops.told.length === 1, 'it is being told');
    await host.eventsOf(first, 'Opened', 2);
    await first.crash();
    ops.answer = () => {};
    const second = await host.run();
    const [delivered] = await host.eventsOf(second, 'Delivered');
    assert.deepEqual([delivered?.grant, delivered?.event, delivered?.attempt], [grant, 'open', 1]);
    const [before, after] = ops.told.map(lasting);
    assert.deepEqual(after, before, 'the same, to the millisecond');
    assert.equal(ops.told.length, 2);
    assert.deepEqual(
      kernel.asked.map(({ what }) => what),
      ['open'],
      'what acts is not asked again',
    );
    await second.crash();
    const third = await host.run();
    assert.deepEqual(third.deliveries.status(), []);
    assert.equal(ops.told.length, 2, 'what was delivered is not told again');
  });

  it('tells what happened just before a crash, though no attempt was made', async () => {
    const ops = new TellingSink('webhook:ops');
    host.door('d', [ops.sink]);
    let grant = '';
    await past(20_000, async (journal) => {
      grant = await closedGrant(journal, 'd', 'webhook:ops');
    });
    const running = await host.run();
    assert.deepEqual(
      running.deliveries.status().map(({ owed }) => owed),
      [2],
    );
    await host.settled(running);
    assert.deepEqual(
      ops.told.map(({ event, grant: { id } }) => [event, id]),
      [
        ['open', grant],
        ['close', grant],
      ],
    );
  });

  it('goes on with attempts where it was: their number, their time, their age', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    const ages: number[] = [];
    const policy = {
      retryAfterMs: (attempt: number, _: unknown, ageMs: number) => {
        ages.push(ageMs);
        return attempt < 4 ? 60_000 : undefined;
      },
    };
    ops.answer = () => {
      throw new Error('still away');
    };
    host.door('d', [{ ...ops.sink, delivery: policy }]);
    await past(3000, async (journal) => {
      const grant = await closedGrant(journal, 'd', 'webhook:ops');
      const failed = { type: 'DeliveryFailed', grant, sink: 'webhook:ops', event: 'open' } as const;
      const about = { ...failed, final: false, reason: 'away' };
      await journal.append({ ...about, attempt: 1, nextAtMs: Date.now() - 3000 });
      await journal.append({ ...about, attempt: 2, nextAtMs: Date.now() - 3000 });
      await journal.append({ ...about, attempt: 3, nextAtMs: Date.now() + 500 });
    });
    const fromMs = performance.now();
    const running = await host.run();
    const [status] = running.deliveries.status();
    assert.equal(status?.reason, 'away');
    assert.ok((status?.nextSeconds ?? 0) > 0.1, 'not before its time');
    const last = await poll(
      async () =>
        (await host.eventsOf(running, 'DeliveryFailed', 4)).find(({ final }) => final) ?? false,
      'the last attempt',
    );
    assert.ok(performance.now() - fromMs > 300);
    assert.deepEqual([last.attempt, last.reason, last.nextAtMs], [4, 'still away', undefined]);
    assert.equal(ages.length, 1);
    assert.ok((ages[0] ?? 0) >= 3000 && (ages[0] ?? 0) < 6000, `${ages}`);
    await running.stop();
    const again = await host.run();
    assert.deepEqual(again.deliveries.status(), [], 'what was given up is not owed');
  });

  it('tells each of many attempts over many crashes, and counts them', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = Array.from({ length: 20 }, () => 20);
    ops.answer = () => {
      throw new Error('no');
    };
    const door = host.door('d', [ops.sink]);
    let running = await host.run();
    await host.knock(running, door);
    for (let crashes = 1; crashes <= 4; crashes += 1) {
      const made = await host.eventsOf(running, 'DeliveryFailed', 2 * crashes);
      await running.crash();
      running = await host.run();
      const numbers = made.map(({ attempt }) => attempt);
      assert.deepEqual(
        [...new Set(numbers)],
        Array.from({ length: Math.max(...numbers) }, (_, index) => index + 1),
        'none is left out',
      );
    }
    ops.answer = () => {};
    const [delivered] = await host.eventsOf(running, 'Delivered');
    const failed = await host.eventsOf(running, 'DeliveryFailed');
    assert.equal(delivered?.attempt, Math.max(...failed.map(({ attempt }) => attempt)) + 1);
    assert.equal(new Set(ops.told.map(({ id }) => id)).size, 1);
  });

  it('tells of an opening that a crash left unknown as a failure, once', async () => {
    const ops = new TellingSink('webhook:ops');
    const mail = new TellingSink('email:oncall');
    const kernel = new ActingSink();
    host.door('d', [kernel.sink, ops.sink, mail.sink]);
    await past(1000, async (journal) => {
      const names = { door: 'd', source: SOURCE, configuration: 'c1' };
      const grant = grantId(await journal.append({ type: 'Completed', ...names }));
      await journal.append({ type: 'Opening', grant, ...names, until: Date.now() + 60_000 });
    });
    const running = await host.run();
    await host.eventsOf(running, 'Closed', 3);
    await host.settled(running);
    for (const { told } of [ops, mail]) {
      assert.deepEqual(told.map(({ event, reason = '' }) => `${event} ${reason}`.trim()).sort(), [
        'close',
        'failed nftables did not open: postern ended while it was opening',
      ]);
    }
  });

  it('tells of failures that were not told, but not of those of long ago that a module never knew', async () => {
    const ops = new TellingSink('webhook:ops');
    const told: string[] = [];
    const failed = async ({ door }: { door: string }) => void told.push(door);
    const gate = { ...new ActingSink('module:gate').sink, failed };
    for (const name of ['old', 'new']) host.door(name, [gate, ops.sink]);
    const failure = (name: string) => async (journal: RedisJournal) => {
      const names = { door: name, source: SOURCE, configuration: 'c1' };
      const grant = grantId(await journal.append({ type: 'Completed', ...names }));
      await journal.append({ type: 'Opening', grant, ...names, until: null });
      const about = { grant, sink: 'exec', until: null, reason: 'status 1' };
      await journal.append({ type: 'OpenFailed', ...about });
      await journal.append({ type: 'Closing', grant, cause: 'recovery' });
      await journal.append({ type: 'Closed', grant, sink: 'exec' });
    };
    await past(2 * DAY_MS, failure('old'));
    await past(1000, failure('new'));
    const running = await host.run();
    await host.settled(running);
    assert.deepEqual(told, ['new']);
    assert.deepEqual(ops.told.map(({ grant }) => grant.door).sort(), ['new', 'old']);
  });

  it('gives up what a sink is owed that is gone, and says so', async () => {
    const ops = new TellingSink('webhook:ops');
    const door = host.door('d', [ops.sink]);
    host.forget(door);
    await past(1000, async (journal) => {
      await closedGrant(journal, 'd', 'webhook:ops');
      await closedGrant(journal, 'gone', 'email:gone');
      await closedGrant(journal, 'gone', 'exec');
    });
    const running = await host.run();
    const failed = await host.eventsOf(running, 'DeliveryFailed', 4);
    assert.deepEqual(failed.map(({ sink, event, final }) => `${sink} ${event} ${final}`).sort(), [
      'email:gone close true',
      'email:gone open true',
      'webhook:ops close true',
      'webhook:ops open true',
    ]);
    const errors = host.base.log.entries.filter(({ level }) => level === 'error');
    assert.equal(errors.length, 4);
    assert.match(String(errors[0]?.fields['reason']), /no such sink any more/);
    await running.stop();
    const again = await host.run();
    assert.equal((await host.eventsOf(again, 'DeliveryFailed')).length, 4, 'once');
  });

  it('gives up what is owed to a sink that a reload took away', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.answer = () => {
      throw new Error('no');
    };
    const door = host.door('d', [ops.sink]);
    const running = await host.run();
    await host.knock(running, door);
    await host.eventsOf(running, 'DeliveryFailed');
    host.forget(door);
    const last = await poll(
      async () => (await host.eventsOf(running, 'DeliveryFailed')).find(({ final }) => final),
      'it is given up',
    );
    assert.match(last.reason, /no sink any more/);
    assert.deepEqual(running.deliveries.status(), []);
  });

  it('gives up what a sink does not take any more', async () => {
    const before = new TellingSink('webhook:ops');
    before.answer = () => {
      throw new Error('no');
    };
    const door = host.door('d', [before.sink], { cmdTimeoutMs: 50 });
    const running = await host.run();
    await host.knock(running, door);
    await host.eventsOf(running, 'Closed');
    const after = new TellingSink('webhook:ops', ['open']);
    host.door('d', [after.sink]);
    const last = await poll(
      async () => (await host.eventsOf(running, 'DeliveryFailed')).find(({ final }) => final),
      'it is given up',
    );
    assert.deepEqual([last.event, last.final], ['close', true]);
    await host.settled(running);
    assert.deepEqual(after.events(), ['open']);
  });

  it('keeps the journal, and the configuration, from the beginning of what is owed', async () => {
    const ops = new TellingSink('webhook:ops', ['open']);
    ops.delaysMs = [60_000, 60_000];
    ops.answer = () => {
      throw new Error('no');
    };
    const quick = new TellingSink('webhook:quick');
    const door = host.door('d', [ops.sink]);
    const other = host.door('other', [quick.sink], { cmdTimeoutMs: 20 });
    const running = await host.run();
    await host.knock(running, other);
    await poll(() => quick.told.length === 2, 'the other one is told');
    await host.settled(running);
    assert.equal(running.deliveries.oldest(), undefined);
    assert.equal(running.deliveries.referenced().size, 0);
    await host.knock(running, door);
    await host.eventsOf(running, 'DeliveryFailed');
    await host.knock(running, door);
    await host.eventsOf(running, 'DeliveryFailed', 2);
    const completed = await host.eventsOf(running, 'Completed', 3);
    assert.equal(running.deliveries.oldest(), completed[1]?.id);
    assert.deepEqual([...running.deliveries.referenced()], ['c1']);
    await running.crash();
    const again = await host.run();
    assert.equal(again.deliveries.oldest(), completed[1]?.id);
    assert.equal(again.deliveries.status()[0]?.owed, 2);
  });
});

/** What is the same at every attempt. */
function lasting({ signal: _, grant: { leftMs: __, ...grant }, ...call }: Told) {
  return { ...call, grant };
}
