import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Syslog } from '../../src/log/syslog.js';
import type { Log } from '../../src/log/types.js';
import { silentLog } from '../../src/log/types.js';
import { pidGone } from '../support/processes.js';

describe('UseSyslog', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-syslog-'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const text = () => readFile(join(folder, 'out'), 'utf8');

  function warnings() {
    const said: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => said.push(message) };
    return { said, log };
  }

  it('passes lines on under the name knockd, at user.notice, and all of them at the end', async () => {
    const shell = 'exec logger --no-act --socket-errors=off -s -t knockd -p user.notice 2> "$0"';
    const syslog = new Syslog(silentLog, ['sh', '-c', shell, join(folder, 'out')]);
    syslog.write('192.0.2.9: ssh: Stage 1');
    syslog.write('192.0.2.9: ssh: OPEN SESAME');
    await syslog.close();
    const lines = (await text()).trim().split('\n');
    assert.equal(lines.length, 2);
    // 13 is user (1) * 8 + notice (5).
    assert.match(lines[1]!, /^<13>.* knockd: 192\.0\.2\.9: ssh: OPEN SESAME$/);
  });

  it('replaces a logger that died', async () => {
    const shell = 'echo $$ >> "$0"; exec cat >> "$0"';
    const syslog = new Syslog(silentLog, ['sh', '-c', shell, join(folder, 'out')]);
    syslog.write('before');
    let pid = Number.NaN;
    for (let wait = 0; Number.isNaN(pid) && wait < 200; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      pid = Number.parseInt(await text().catch(() => ''), 10);
    }
    process.kill(pid, 'SIGKILL');
    await pidGone(pid);
    await new Promise(setImmediate);
    syslog.write('after');
    await syslog.close();
    assert.match(await text(), /after\n$/);
  });

  it('gives up on a logger that keeps dying, or is missing, and says so once', async () => {
    for (const command of [['false'], ['/nonexistent/logger']] as [string][]) {
      const { said, log } = warnings();
      const syslog = new Syslog(log, command);
      for (let line = 0; line < 100; line++) {
        syslog.write('line');
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await syslog.close();
      assert.equal(said.length, 1, command[0]);
    }
  });

  it('starts nothing before the first line, and ends with a logger that hangs', async () => {
    await new Syslog(silentLog, ['/nonexistent/logger']).close();
    const syslog = new Syslog(silentLog, ['sh', '-c', 'exec sleep 30']);
    syslog.write('line');
    const started = performance.now();
    await syslog.close();
    assert.ok(performance.now() - started < 3_000);
  });
});
