import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Door } from '../../config/types.js';
import { createExec, type GrantLine } from '../../sinks/exec.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import { testDoor } from '../support/door.js';
import { poll } from '../support/poll.js';
import { pidAlive, pidGone } from '../support/processes.js';
import { recordingLog } from '../support/recording-log.js';

const grant: SinkGrant = {
  id: 'host-1-0',
  door: 'test',
  source: '192.0.2.7',
  host: 'host',
  untilMs: null,
  leftMs: null,
};
const never = new AbortController().signal;

describe('exec sink', () => {
  let dir: string;
  let log: ReturnType<typeof recordingLog>;
  let lines: GrantLine[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'postern-exec-'));
    log = recordingLog();
    lines = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function sinkOf(door: Partial<Door>, maxCommands = 64): Sink & Required<Pick<Sink, 'close'>> {
    const exec = createExec({ maxCommands, log, onLine: (line) => lines.push(line) });
    const sink = exec.sink(testDoor(door), 4);
    assert.ok(sink);
    return { close: () => Promise.reject(new Error('no close')), ...sink };
  }
  const file = (name: string) => join(dir, name);
  const text = (name: string) => readFileSync(file(name), 'utf8');
  const written = (name: string) =>
    poll(() => {
      try {
        return text(name).endsWith('\n') && text(name).trim();
      } catch {
        return undefined;
      }
    }, `${name} written`);
  const messages = () => log.entries.map(({ message }) => message);

  it('gives the command PATH, door, source, grant and host, and nothing else of our environment', async () => {
    process.env['POSTERN_TEST_SECRET'] = 'x';
    await sinkOf({ startCommand: `env > ${file('env')}` }).open(grant, never);
    const names = text('env')
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    // PWD, OLDPWD, SHLVL and _ are the shell's own.
    const own = names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name ?? ''));
    const given = ['DOOR', 'GRANT', 'HOST', 'SOURCE'].map((name) => `POSTERN_${name}`);
    assert.deepEqual(own.sort(), ['PATH', ...given]);
    assert.match(text('env'), /^POSTERN_HOST=host$/m);
    assert.match(text('env'), /^POSTERN_SOURCE=192\.0\.2\.7$/m);
    assert.match(text('env'), /^POSTERN_GRANT=host-1-0$/m);
    delete process.env['POSTERN_TEST_SECRET'];
  });

  it('gives the command no descriptor but input from /dev/null and its output', async () => {
    // In a process of its own that was started with a descriptor too high for node to notice.
    const program = `
      import { createExec } from '${new URL('../../sinks/exec.js', import.meta.url)}';
      import { closeInheritedDescriptors } from '${new URL('../../sinks/descriptors.js', import.meta.url)}';
      import { silentLog } from '${new URL('../../src/log/types.js', import.meta.url)}';
      closeInheritedDescriptors();
      const door = { name: 'test', startCommand: process.argv[1], commandTimeoutMs: 5000 };
      const sink = createExec({ maxCommands: 1, log: silentLog }).sink(door, 4);
      await sink.open(${JSON.stringify(grant)}, new AbortController().signal);`;
    const command = `pwd > ${file('cwd')}; exec ls -l /proc/self/fd > ${file('fds')}`;
    const script = 'exec 200</dev/null; exec "$0" --input-type=module -e "$@"';
    execFileSync('bash', ['-c', script, process.execPath, program, command]);
    const fds = (text('fds').match(/ \d+ -> .*/g) ?? []).map((line) => line.trim());
    assert.deepEqual(
      fds.map((line) => line.split(' ')[0]),
      // 3 is the folder that ls reads.
      ['0', '1', '2', '3'],
      text('fds'),
    );
    assert.equal(fds[0], '0 -> /dev/null');
    assert.equal(text('cwd').trim(), '/');
  });

  it('puts the source in for every %IP%, and tells of the command unexpanded', async () => {
    const command = `echo %IP% '%IP%/32' > ${file('out')}`;
    await sinkOf({ startCommand: command, stopCommand: 'true' }).open(grant, never);
    assert.equal(text('out').trim(), '192.0.2.7 192.0.2.7/32');
    assert.deepEqual(lines, [
      { kind: 'running-command', door: 'test', source: '192.0.2.7', command },
    ]);
  });

  it('tells of the timeout once, before the stop command, however often that is tried', async () => {
    const sink = sinkOf({ startCommand: 'true', stopCommand: `mkdir ${file('a')}/b` });
    await assert.rejects(sink.close(grant, never), /status 1/);
    await assert.rejects(sink.close(grant, never), /status 1/);
    const kinds = lines.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['command-timeout', 'running-command', 'running-command']);
  });

  it('rejects with the status of a command that fails', async () => {
    await assert.rejects(sinkOf({ startCommand: 'exit 3' }).open(grant, never), {
      code: 'POSTERN_E_COMMAND',
      message: 'the command ended with status 3',
    });
    await assert.rejects(sinkOf({ startCommand: 'kill -9 $$' }).open(grant, never), /SIGKILL/);
  });

  it('runs nothing for a family without a command, and closes nothing without a stop', () => {
    const exec = createExec({ maxCommands: 1, log });
    const door = testDoor({ startCommand: 'true', startCommand6: '', stopCommand: 'true' });
    assert.equal(exec.sink(door, 6), undefined);
    assert.ok(exec.sink(door, 4)?.close);
    assert.equal(exec.sink(testDoor({ startCommand: 'true' }), 4)?.close, undefined);
    assert.equal(exec.sink(testDoor({ stopCommand: 'true' }), 4), undefined);
  });

  it('logs the output line by line, with control characters escaped', async () => {
    const command = String.raw`printf 'one\ntw\033[31mo\r\nthr\302\233\342\200\256ee'; echo err >&2`;
    await sinkOf({ startCommand: command }).open(grant, never);
    await poll(() => messages().length === 4, 'four lines');
    assert.deepEqual(messages().sort(), [
      'err',
      'one',
      String.raw`thr\u009b\u202eee`,
      String.raw`tw\u001b[31mo\u000d`,
    ]);
  });

  it('logs at most 100 lines of a command, says so, and does not block the command', async () => {
    const command = `seq 1 100000; touch ${file('done')}`;
    await sinkOf({ startCommand: command, stopCommand: 'true' }).open(grant, never);
    assert.equal(messages().length, 101);
    assert.equal(messages().at(-1), '(more output is not logged)');
    assert.equal(text('done'), '');
  });

  it('logs at most 16 KiB of a command', async () => {
    const command = 'head -c 100000 /dev/zero | tr "\\0" x';
    await sinkOf({ startCommand: command, stopCommand: 'true' }).open(grant, never);
    const bytes = messages()
      .filter((line) => /^x+$/.test(line))
      .join('').length;
    assert.equal(bytes, 16 * 1024);
    assert.equal(messages().at(-1), '(more output is not logged)');
  });

  it('ends the whole process group of a start command that runs too long (G10)', async () => {
    const member = `exec sh -c 'echo $$ > ${file('pid')}; exec sleep 60'`;
    const command = `(trap '' TERM; ${member}) & sleep 60`;
    const door = { startCommand: command, stopCommand: 'true', commandTimeoutMs: 300 };
    const started = performance.now();
    await assert.rejects(sinkOf(door).open(grant, never), /ran longer than 0\.3 s/);
    assert.ok(performance.now() - started < 1000, 'the leader ended at SIGTERM');
    const pid = Number(await written('pid'));
    assert.ok(await pidGone(pid, 2500), 'the member that ignores SIGTERM ended');
  });

  it('ends a stop command that runs too long', async () => {
    const door = { startCommand: 'true', stopCommand: 'sleep 60', commandTimeoutMs: 200 };
    await assert.rejects(sinkOf(door).close(grant, never), /ran longer than 0\.2 s/);
  });

  it('calls a start without a stop open when it still runs at the timeout, and leaves it', async () => {
    const command = `echo $$ > ${file('pid')}; exec sleep 60`;
    await sinkOf({ startCommand: command, commandTimeoutMs: 200 }).open(grant, never);
    const pid = Number(await written('pid'));
    assert.ok(pidAlive(pid));
    process.kill(-pid, 'SIGKILL');
  });

  it('lets a command that was left running write on without an end', async () => {
    const command = `echo $$ > ${file('pid')}; seq 1 20000; sleep 0.5; seq 1 100000; echo fine > ${file('end')}`;
    await sinkOf({ startCommand: command, commandTimeoutMs: 200 }).open(grant, never);
    assert.equal(await written('end'), 'fine');
  });

  it('runs no more start commands at once than allowed, and the rest in order', async () => {
    const order = file('order');
    const command = `echo start >> ${order}; sleep 0.05; echo end >> ${order}`;
    const sink = sinkOf({ startCommand: command }, 1);
    await Promise.all([1, 2, 3].map(() => sink.open(grant, never)));
    assert.deepEqual(text('order').trim().split('\n'), 'start end start end start end'.split(' '));
  });

  it('runs a stop command while start commands fill their pool', async () => {
    const aborter = new AbortController();
    const door = { startCommand: 'sleep 60', stopCommand: `touch ${file('stopped')}` };
    const sink = sinkOf(door, 1);
    const starts = [1, 2].map(() => sink.open(grant, aborter.signal));
    await sink.close(grant, never);
    assert.equal(text('stopped'), '');
    aborter.abort(new Error('over'));
    const ends = await Promise.allSettled(starts);
    assert.deepEqual(
      ends.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
  });
});
