import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { node } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4 } from '../support/netns.js';
import { descendants } from '../support/process-tree.js';
import { pidAlive, pidGone } from '../support/processes.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('the program under the name knockd', () => {
  const lab = useLab();
  let folder: string;
  let daemon: number | undefined;
  beforeEach(async () => {
    folder = await lab.folder();
    daemon = undefined;
  });
  afterEach(async () => {
    if (daemon !== undefined && pidAlive(daemon)) process.kill(daemon, 'SIGKILL');
    if (daemon !== undefined) await pidGone(daemon);
  });

  const file = (name: string) => join(folder, name);
  async function start(conf: string, ...flags: string[]) {
    await writeFile(file('knockd.conf'), conf, { mode: 0o600 });
    const pid = ['-p', file('knockd.pid')];
    const argv = node('knockd', '-d', '-c', file('knockd.conf'), ...pid, ...flags);
    const result = await lab.network.exec('server', argv, { timeoutMs: 20_000 });
    const [written] = await linesOf(file('knockd.pid'));
    daemon = written === undefined ? undefined : Number(written);
    return result;
  }
  const conf = (sequence = SEQUENCE.join(',')) =>
    `[options]\n\tstate_dir = ${file('state')}\n${section('door', {
      sequence,
      tcpflags: 'syn',
      start_command: `echo opened >> ${file('opened')}`,
    })}`;

  it('-d exits 0 once it listens; pid file, process name and log are as scripts expect', async () => {
    const flags = ['-i', lab.network.interfaces.server, '-g', file('knockd.log')];
    const started = await start(conf(), ...flags);
    assert.equal(started.code, 0, started.stderr);
    assert.ok(daemon !== undefined && pidAlive(daemon));
    assert.equal(readFileSync(`/proc/${daemon}/comm`, 'utf8').trim(), 'knockd');
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('opened', async () => (await linesOf(file('opened'))).length === 1);
    const log = (await linesOf(file('knockd.log'))).join('\n');
    for (const text of ['Stage 1', 'Stage 3', 'OPEN SESAME']) {
      assert.match(
        log,
        new RegExp(`^\\[[-0-9]{10} [0-9:]{5}\\] 192\\.0\\.2\\.2: door: ${text}$`, 'm'),
      );
    }
    const family = descendants(daemon);
    process.kill(daemon, 'SIGTERM');
    for (const pid of [daemon, ...family]) assert.ok(await pidGone(pid), `still running: ${pid}`);
  });

  it('-d exits 1 with the reason when it cannot start, and leaves no process', async () => {
    const failed = await start(conf('7000,70000'), '-i', lab.network.interfaces.server);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr + failed.stdout, /knockd\.conf:4/);
    assert.doesNotMatch(failed.stderr, /^\s+at /m);
    assert.equal(daemon === undefined || !pidAlive(daemon), true);
  });

  it('without -d it stays in the foreground and says that it listens', async () => {
    await writeFile(file('knockd.conf'), conf(), { mode: 0o600 });
    const flags = ['-v', '-i', lab.network.interfaces.server, '-p', file('knockd.pid')];
    const knockd = lab.program(node('knockd', '-c', file('knockd.conf'), ...flags));
    await knockd.waitFor(/listening/);
    const { code } = await knockd.end();
    assert.equal(code, 0, knockd.logs);
  });
});
