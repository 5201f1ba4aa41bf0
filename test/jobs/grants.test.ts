import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { grantOf, SOURCE, TestHost } from './host.js';

describe('grants', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: { grants: { status(): readonly unknown[] } }) =>
    poll(() => running.grants.status().length === 0, 'no grant is live', 8000);

  it('journals each step in order, and closes after the time counted from the end of the start (G1)', async () => {
    const running = await host.run();

    const slow = host.door({
      name: 'slow',
      startCommand: `sleep 0.4; echo start >> ${host.file('slow')}`,
    });
    const grant = grantOf(await running.grants.complete(host.completion(slow)));
    await none(running);
    const events = await host.events(running);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['Completed', 'Opening', 'Opened', 'Closing', 'Closed'],
    );
    const [completed, opening, opened, closing, closed] = events;
    assert.ok(completed && opening?.type === 'Opening' && opened?.type === 'Opened');
    assert.ok(closing?.type === 'Closing' && closed?.type === 'Closed');
    assert.equal(grant, `${completed.host}-${completed.id}`);
    assert.equal(opening.until, opening.until && Math.round(opening.until));
    assert.ok((opening.until ?? 0) > (opened.until ?? 0), 'the provisional deadline is later');
    const openMs = closing.atMs - opened.atMs;
    assert.ok(openMs >= 990 && openMs < 1250, `open for ${openMs} ms`);
    assert.ok(opened.atMs - opening.atMs >= 390);
    assert.equal(closing.cause, 'deadline');
    assert.deepEqual(host.lines('slow'), ['start', `stop ${SOURCE}`]);
  });

  it('moves the deadline when knocked again while open, and starts nothing twice (G2)', async () => {
    const running = await host.run();
    const door = host.door({ name: 'again' });
    const first = await running.grants.complete(host.completion(door));
    const [opened] = await host.eventsOf(running, 'Opened');
    await poll(
      () => (running.grants.status()[0]?.leftSeconds ?? 1) < 0.5,
      'half of the time is over',
    );
    const second = await running.grants.complete(host.completion(door));
    assert.deepEqual(second, { kind: 'extended', grant: grantOf(first) });
    const [extended] = await host.eventsOf(running, 'Extended');
    await none(running);
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.ok(opened && extended && closing);
    assert.ok(extended.until - (opened.until ?? 0) > 400);
    assert.ok(Math.abs(closing.atMs - extended.until) < 200);
    assert.deepEqual(host.lines('again'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });

  it('runs start and stop again with reknock = rerun, and neither with ignore (G2)', async () => {
    const running = await host.run();
    const rerun = host.door({ name: 'rerun', reknock: 'rerun', cmdTimeoutMs: 300 });
    const ignore = host.door({ name: 'ignore', reknock: 'ignore', cmdTimeoutMs: 300 });
    for (const door of [rerun, rerun, ignore]) await running.grants.complete(host.completion(door));
    assert.deepEqual(await running.grants.complete(host.completion(ignore)), {
      kind: 'ignored',
      reason: 'reknock',
    });
    await none(running);
    assert.equal(host.lines('rerun').length, 4);
    assert.deepEqual(host.lines('ignore'), [`start ${SOURCE}`, `stop ${SOURCE}`]);
  });

  it('opens once more after the close when knocked again while closing', async () => {
    const running = await host.run();
    const file = host.file('closing');
    const door = host.door({
      name: 'closing',
      cmdTimeoutMs: 100,
      stopCommand: `echo stopping >> ${file}; sleep 0.3; echo stopped >> ${file}`,
    });
    const first = grantOf(await running.grants.complete(host.completion(door)));
    await host.linesOf('closing', 2);
    const second = await running.grants.complete(host.completion(door));
    const third = await running.grants.complete(host.completion(door));
    assert.equal(second.kind, 'opening');
    assert.notEqual(grantOf(second), first);
    assert.deepEqual(third, { kind: 'extended', grant: grantOf(second) });
    await none(running);
    const start = `start ${SOURCE}`;
    const once = [start, 'stopping', 'stopped'];
    assert.deepEqual(host.lines('closing'), [...once, ...once]);
  });

  it('runs a start without a stop at each completion, cooldown apart (G3)', async () => {
    const running = await host.run();
    const command = `echo start >> ${host.file('free')}`;
    const { stopCommand: _, ...free } = host.door({ name: 'free', startCommand: command });
    for (let n = 0; n < 3; n += 1) await running.grants.complete(host.completion(free));
    await host.linesOf('free', 3);
    const cool = { ...free, name: 'cool', cooldownMs: 60_000 };
    host.doors.push(cool);
    const results = [];
    for (const source of [SOURCE, SOURCE, '192.0.2.2']) {
      results.push((await running.grants.complete(host.completion(cool, { source }))).kind);
    }
    assert.deepEqual(results, ['opening', 'ignored', 'opening']);
    await host.linesOf('free', 5);
    await none(running);
    const opened = await host.eventsOf(running, 'Opened', 5);
    assert.ok(opened.every(({ until }) => until === null));
    const [abandoned] = await host.eventsOf(running, 'Abandoned');
    assert.equal(abandoned?.reason, 'cooldown');
    // The cooldown is kept across a restart.
    await running.stop();
    const next = await host.run();
    assert.equal((await next.grants.complete(host.completion(cool))).kind, 'ignored');
  });

  it('still runs the stop command when the start failed (G4)', async () => {
    const running = await host.run();
    const door = host.door({ name: 'fails', startCommand: 'exit 7', cmdTimeoutMs: 200 });
    await running.grants.complete(host.completion(door));
    await none(running);
    const [failed] = await host.eventsOf(running, 'OpenFailed');
    assert.equal(failed?.reason, 'the command ended with status 7');
    assert.deepEqual(host.lines('fails'), [`stop ${SOURCE}`]);
  });

  it('tries a failing stop again until it succeeds (G5)', async () => {
    const running = await host.run();
    const file = host.file('retry');
    const door = host.door({
      name: 'retry',
      cmdTimeoutMs: 100,
      stopCommand: `echo try >> ${file}; test $(wc -l < ${file}) -ge 4`,
    });
    await running.grants.complete(host.completion(door));
    await none(running);
    const failures = await host.eventsOf(running, 'CloseFailed', 2);
    assert.deepEqual(
      failures.map(({ attempt, final }) => [attempt, final]),
      [
        [1, false],
        [2, false],
      ],
    );
    assert.equal((await host.eventsOf(running, 'Closed')).length, 1);
  });

  it('gives up a failing stop after stop_retries, alarms, shows it, and tries at the next start (G5)', async () => {
    const running = await host.run();
    const repaired = host.file('repaired');
    const door = host.door({
      name: 'stuck',
      cmdTimeoutMs: 100,
      stopRetries: 2,
      stopCommand: `test -e ${repaired}`,
    });
    await running.grants.complete(host.completion(door));
    const failures = await host.eventsOf(running, 'CloseFailed', 3);
    assert.deepEqual(
      failures.map(({ final }) => final),
      [false, false, true],
    );
    assert.deepEqual(
      running.grants.status().map(({ state }) => state),
      ['failed'],
    );
    assert.ok(
      host.log.entries.some(({ level, message }) => level === 'error' && /OPEN/.test(message)),
    );
    await running.stop();
    host.doors[0] = { ...door, stopCommand: 'true' };
    const next = await host.run();
    await none(next);
    assert.equal((await host.eventsOf(next, 'Closed')).length, 1);
  });

  it('leaves grants open at a stop; the next start closes each at its deadline, or at once when that is over (G6)', async () => {
    const running = await host.run();
    const short = host.door({ name: 'short', cmdTimeoutMs: 300 });
    const long = host.door({ name: 'long', cmdTimeoutMs: 1500 });
    for (const door of [short, long]) await running.grants.complete(host.completion(door));
    const opened = await host.eventsOf(running, 'Opened', 2);
    const stopped = performance.now();
    await running.stop();
    assert.ok(performance.now() - stopped < 1000, 'stop takes less than a second');
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual(host.lines('short'), [`start ${SOURCE}`]);
    const next = await host.run();
    await host.linesOf('short', 2, 500);
    assert.deepEqual(host.lines('long'), [`start ${SOURCE}`]);
    await none(next);
    const closings = await host.eventsOf(next, 'Closing', 2);
    assert.deepEqual(
      closings.map(({ cause }) => cause),
      ['recovery', 'deadline'],
    );
    const until = Math.max(...opened.map((event) => event.until ?? 0));
    assert.ok(Math.abs((closings[1]?.atMs ?? 0) - until) < 250);
  });

  it('closes everything on request, breaking off what is opening (G6)', async () => {
    const running = await host.run();
    const open = host.door({ name: 'open', cmdTimeoutMs: 60_000 });
    const opening = host.door({ name: 'opening', startCommand: 'sleep 60', cmdTimeoutMs: 60_000 });
    for (const door of [open, opening]) await running.grants.complete(host.completion(door));
    await host.linesOf('open', 1);
    await host.eventsOf(running, 'Opening', 2);
    await running.grants.closeAll('exit');
    assert.deepEqual(running.grants.status(), []);
    assert.deepEqual(host.lines('opening'), [`stop ${SOURCE}`]);
    assert.equal(host.lines('open').length, 2);
  });

  it('gives a door whose commands name no source one grant, whoever knocks (G9)', async () => {
    const running = await host.run();
    const file = host.file('shared');
    const door = host.door({
      name: 'shared',
      startCommand: `echo start >> ${file}`,
      stopCommand: `echo stop >> ${file}`,
      cmdTimeoutMs: 600,
    });
    const first = grantOf(await running.grants.complete(host.completion(door)));
    await host.eventsOf(running, 'Opened');
    const other = { source: '2001:db8::7' };
    const second = await running.grants.complete(host.completion(door, other));
    assert.deepEqual(second, { kind: 'extended', grant: first });
    const [extended] = await host.eventsOf(running, 'Extended');
    assert.equal(extended?.source, '2001:db8::7');
    await none(running);
    assert.deepEqual(host.lines('shared'), ['start', 'stop']);
  });

  it('ends a start command after command_timeout and closes what it may have opened (G10)', async () => {
    const running = await host.run();
    const door = host.door({
      name: 'hangs',
      startCommand: 'sleep 60',
      commandTimeoutMs: 200,
      cmdTimeoutMs: 200,
    });
    await running.grants.complete(host.completion(door));
    await none(running);
    const [failed] = await host.eventsOf(running, 'OpenFailed');
    assert.match(failed?.reason ?? '', /ran longer than 0\.2 s/);
    assert.deepEqual(host.lines('hangs'), [`stop ${SOURCE}`]);
  });

  it('journals the opening of a door without commands, and runs nothing', async () => {
    const running = await host.run();
    const { startCommand: _, stopCommand: __, ...door } = host.door({ name: 'silent' });
    await running.grants.complete(host.completion(door));
    await host.eventsOf(running, 'Opened');
    assert.deepEqual(
      (await host.events(running)).map(({ type }) => type),
      ['Completed', 'Opened'],
    );
    assert.deepEqual(running.grants.status(), []);
  });

  it('uses a one-time sequence up: the second completion is spent', async () => {
    const running = await host.run();
    const door = host.door({ name: 'once', cmdTimeoutMs: 100 });
    const completion = host.completion(door, { claim: 'digest-1' });
    assert.equal((await running.grants.complete(completion)).kind, 'opening');
    assert.deepEqual(await running.grants.complete(completion), { kind: 'spent' });
    await none(running);
    assert.equal(host.lines('once').length, 2);
  });

  it('gives an IPv6 source the IPv6 commands, through the queue', async () => {
    const running = await host.run();
    const door = host.door({
      name: 'six',
      startCommand6: `echo six %IP% >> ${host.file('six')}`,
      cmdTimeoutMs: 100,
    });
    await running.grants.complete(host.completion(door, { source: '2001:db8::1' }));
    await none(running);
    assert.deepEqual(host.lines('six'), ['six 2001:db8::1', 'stop 2001:db8::1']);
    const [closing] = await host.eventsOf(running, 'Closing');
    assert.equal(closing?.cause, 'deadline');
  });

  it('opens 100 sources at once, each exactly once, and closes each', async () => {
    const running = await host.run();
    const door = host.door({ name: 'many', cmdTimeoutMs: 500 });
    const sources = Array.from({ length: 100 }, (_, n) => `198.51.100.${n}`);
    const doubled = [...sources, ...sources];
    await Promise.all(
      doubled.map((source) => running.grants.complete(host.completion(door, { source }))),
    );
    await none(running);
    const lines = host.lines('many');
    assert.equal(lines.length, 200);
    for (const source of sources) {
      assert.equal(lines.filter((line) => line === `start ${source}`).length, 1);
      assert.equal(lines.filter((line) => line === `stop ${source}`).length, 1);
    }
  }).timeout(20_000);

  it('lets a slow command of one door delay no other door', async () => {
    const running = await host.run();
    const slow = host.door({ name: 'sleeper', startCommand: 'sleep 3' });
    const quick = host.door({ name: 'quick', cmdTimeoutMs: 100 });
    await running.grants.complete(host.completion(slow));
    const begun = performance.now();
    await running.grants.complete(host.completion(quick));
    await host.linesOf('quick', 2);
    assert.ok(performance.now() - begun < 1000);
    await running.grants.closeAll('exit');
  });
});
