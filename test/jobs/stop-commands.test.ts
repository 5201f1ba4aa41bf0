import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { type Running, SOURCE, TestHost } from './host.js';

describe('a stop command (G5)', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const none = (running: Running) =>
    poll(() => running.grants.status().length === 0, 'no grant is live', 8000);
  const alarms = () => host.log.entries.filter(({ message }) => /MAY STILL BE OPEN/.test(message));

  it('that hangs is ended after command_timeout and tried again', async () => {
    const running = await host.run();
    const file = host.file('hangs');
    const door = host.door({
      name: 'hangs',
      cmdTimeoutMs: 100,
      commandTimeoutMs: 300,
      stopCommand: `echo try >> ${file}; test $(grep -c try ${file}) -ge 2 || sleep 60`,
    });
    await running.grants.complete(host.completion(door));
    await none(running);
    assert.deepEqual(host.lines('hangs'), [`start ${SOURCE}`, 'try', 'try']);
    const [failed] = await host.eventsOf(running, 'CloseFailed');
    assert.match(failed?.reason ?? '', /ran longer than 0\.3 s/);
    assert.deepEqual(alarms(), []);
  });

  it('that hangs holds up no other door', async () => {
    const running = await host.run();
    const hangs = host.door({ name: 'stuck', cmdTimeoutMs: 100, stopCommand: 'sleep 2' });
    const quick = host.door({ name: 'free', cmdTimeoutMs: 200 });
    await running.grants.complete(host.completion(hangs));
    await running.grants.complete(host.completion(quick));
    await host.linesOf('free', 2, 1500);
    assert.equal(running.grants.status()[0]?.state, 'closing');
    await none(running);
  });

  it('that cannot be found is tried again, and alarmed of when stop_retries are used up', async () => {
    const running = await host.run();
    const door = host.door({
      name: 'missing',
      cmdTimeoutMs: 100,
      stopRetries: 2,
      stopCommand: '/nowhere/close-the-door',
    });
    await running.grants.complete(host.completion(door));
    const failures = await host.eventsOf(running, 'CloseFailed', 3);
    assert.deepEqual(
      failures.map(({ reason, final }) => [reason, final]),
      [false, false, true].map((final) => ['the command ended with status 127', final]),
    );
    assert.equal(alarms().length, 1);
    assert.equal(running.grants.status()[0]?.state, 'failed');
  });

  it('that fails for good leaves the door able to be opened again by a knock', async () => {
    const running = await host.run();
    const mended = host.file('mended');
    const door = host.door({
      name: 'again',
      cmdTimeoutMs: 100,
      stopRetries: 0,
      stopCommand: `test -e ${mended}`,
    });
    await running.grants.complete(host.completion(door));
    await host.eventsOf(running, 'CloseFailed');
    assert.equal((await running.grants.complete(host.completion(door))).kind, 'opening');
    assert.equal((await host.linesOf('again', 2)).length, 2);
  });

  it('beside a firewall element does not keep that open when it fails', async () => {
    const running = await host.run();
    const door = host.door({
      name: 'both',
      allow: [{ protocol: 'tcp', from: 22, to: 22 }],
      cmdTimeoutMs: 100,
      stopRetries: 1,
      stopCommand: 'false',
    });
    await running.grants.complete(host.completion(door));
    await host.eventsOf(running, 'CloseFailed', 2);
    const closed = await host.eventsOf(running, 'Closed');
    assert.deepEqual(
      closed.map(({ sink }) => sink),
      ['nftables'],
    );
    assert.equal(host.kernel.at(-1), `close ${SOURCE}`);
  });
});
