import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { type Log, silentLog } from '../../src/log/types.js';
import { createNotifier, type SystemdNotifier } from '../../src/systemd/notify.js';
import { makeFolder } from '../support/daemon.js';
import { poll } from '../support/poll.js';
import { NotifySocket, requireSystemd } from './support.js';

describe('what systemd is told', () => {
  let folder: string;
  let socket: NotifySocket;
  let notifier: SystemdNotifier | undefined;
  let warnings: string[];
  let log: Log;
  const environment = (more: NodeJS.ProcessEnv = {}) => ({
    PATH: process.env['PATH'],
    NOTIFY_SOCKET: socket.path,
    ...more,
  });

  before(function () {
    requireSystemd(this);
  });
  beforeEach(async () => {
    // The last words of the test before may still fail, at a socket that is gone.
    const own: string[] = [];
    warnings = own;
    log = { ...silentLog, warn: (fields) => own.push(JSON.stringify(fields)) };
    folder = await makeFolder();
    socket = await NotifySocket.listen(folder);
  });
  afterEach(async () => {
    notifier?.release();
    await socket.close();
    await rm(folder, { recursive: true });
  });

  it('READY with the pid and a status, what changes, and STOPPING', async () => {
    notifier = createNotifier({ environment: environment(), log });
    notifier.status('too early');
    notifier.ready('listening on eth0');
    await socket.heard.waitFor(/READY=1/);
    notifier.status('waiting: eth0 is down');
    await socket.heard.waitFor(/waiting/);
    notifier.stopping();
    await socket.heard.waitFor(/STOPPING=1/);
    const [ready = '', ...rest] = socket.words;
    const lines = ready.split('|').sort();
    assert.deepEqual(lines, [`MAINPID=${process.pid}`, 'READY=1', 'STATUS=listening on eth0']);
    assert.deepEqual(rest, ['STATUS=waiting: eth0 is down', 'STOPPING=1']);
  });

  it('answers the watchdog twice in its time, and not while the event loop hangs', async () => {
    const watchdog = { WATCHDOG_USEC: '600000', WATCHDOG_PID: `${process.pid}` };
    notifier = createNotifier({ environment: environment(watchdog), log });
    notifier.ready('listening');
    const began = performance.now();
    await poll(() => socket.pings >= 3, 'three answers');
    assert.ok(performance.now() - began >= 850, 'answers come every half of the interval');
    const before = socket.pings;
    const until = performance.now() + 1500;
    while (performance.now() < until);
    // What was sent before the hang may arrive after it, and one is sent at its end.
    assert.ok(socket.pings <= before + 2);
    await poll(() => socket.pings > before + 2, 'answers go on');
  });

  it('leaves a watchdog alone that is meant for another process', async () => {
    const watchdog = { WATCHDOG_USEC: '20000', WATCHDOG_PID: `${process.ppid}` };
    notifier = createNotifier({ environment: environment(watchdog), log });
    notifier.ready('listening');
    await socket.heard.waitFor(/READY=1/);
    notifier.stopping();
    await socket.heard.waitFor(/STOPPING=1/);
    assert.equal(socket.pings, 0);
  });

  it('says once that systemd-notify is missing, and runs on', async () => {
    const watchdog = { WATCHDOG_USEC: '20000', PATH: folder };
    notifier = createNotifier({ environment: environment(watchdog), log });
    notifier.ready('listening');
    await poll(() => warnings.length > 0, 'a warning');
    notifier.stopping();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /systemd-notify.*package systemd/);
  });

  it('starts no program where no manager listens', async () => {
    notifier = createNotifier({ environment: { PATH: folder }, log });
    notifier.ready('listening');
    notifier.stopping();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(warnings, []);
  });
});
