import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { createShells, type Shell, type Shells } from '../../sinks/shells.js';
import { commandLine, descendants } from '../support/process-tree.js';
import { pidGone } from '../support/processes.js';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ended(shell: Shell): Promise<Ended> {
  const exit = new Promise<Pick<Ended, 'code' | 'signal'>>((resolve) => {
    shell.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  return { ...(await exit), stdout, stderr };
}

const allWaiting = () => descendants(process.pid).filter((pid) => / -s$/.test(commandLine(pid)));

describe('shells that wait for their command', () => {
  let shells: Shells;
  /** Of other tests in this process. */
  let others: readonly number[] = [];
  const waitingShells = () => allWaiting().filter((pid) => !others.includes(pid));
  beforeEach(() => {
    others = allWaiting();
    shells = createShells();
  });
  afterEach(() => shells.close());

  /** The same by a shell that waited, and by one that had to be started. */
  async function both(command: string, environment: Readonly<Record<string, string>> = {}) {
    const fresh = createShells();
    fresh.close();
    shells.fill();
    assert.ok(waitingShells().length > 0);
    const waited = shells.run({ command, environment });
    assert.equal(waited.spawnargs.at(-1), '-s', 'it waited');
    const started = fresh.run({ command, environment });
    assert.equal(started.spawnargs.at(-1), command, 'it was started');
    const [one, other] = await Promise.all([ended(waited), ended(started)]);
    assert.deepEqual(one, other);
    return one;
  }

  const HARD = [
    `it's "quoted" \`twice\` $HOME \\ \\\\ \\n % # ; & | < > ( ) { } [ ] * ? ~ !`,
    `'''`,
    'Ёлка Ж \u0081 \u0082 é 字 \u{1f6aa}',
    'two\nlines\ttab  blanks ',
    '-s',
  ];
  for (const argument of HARD) {
    it(`hands on a command and its environment as they are: ${JSON.stringify(argument)}`, async () => {
      const quoted = `'${argument.replaceAll("'", "'\\''")}'`;
      const command = `printf '%s|%s|' ${quoted} "$POSTERN_DOOR"`;
      const { stdout, code, stderr } = await both(command, { POSTERN_DOOR: argument });
      assert.deepEqual(
        { stdout, code, stderr },
        { stdout: `${argument}|${argument}|`, code: 0, stderr: '' },
      );
    });
  }

  it('is nothing but the command: its arguments, folder, environment, input and descriptors', async () => {
    const environment = { POSTERN_GRANT: 'a:1-0' };
    const words = 'tr "\\0" "\\n" </proc/$$/cmdline; tr "\\0" "\\n" </proc/$$/environ | sort';
    const { stdout } = await both(
      `pwd; ${words}; readlink /proc/$$/fd/0; ls /proc/$$/fd`,
      environment,
    );
    assert.match(stdout, /^\/\n\/bin\/sh\n-c\n/);
    assert.match(stdout, /^POSTERN_GRANT=a:1-0$/m);
    assert.match(stdout, /^\/dev\/null\n0\n1\n2\n/m);
  });

  it('has a process group of its own, and says how the command ended', async () => {
    shells.fill();
    const shell = shells.run({ command: 'cut -d" " -f5 /proc/$$/stat; exit 7', environment: {} });
    const { code, stdout } = await ended(shell);
    assert.deepEqual({ code, stdout }, { code: 7, stdout: `${shell.pid}\n` });
    assert.equal((await both('kill -9 $$')).signal, 'SIGKILL');
    assert.equal((await both('syntax ( error')).code, 2);
  });

  it('is replaced, one for each, a moment after it was taken', async () => {
    shells.fill();
    const before = waitingShells();
    assert.equal(before.length, 2);
    const runs = [1, 2, 3].map((n) => shells.run({ command: `echo ${n}`, environment: {} }));
    assert.deepEqual(
      runs.map(({ spawnargs }) => spawnargs.at(-1)),
      ['-s', '-s', 'echo 3'],
    );
    const said = await Promise.all(runs.map(ended));
    assert.deepEqual(
      said.map(({ stdout }) => stdout),
      ['1\n', '2\n', '3\n'],
    );
    await sleep(150);
    const after = waitingShells();
    assert.equal(after.length, 2);
    assert.ok(after.every((pid) => !before.includes(pid)));
  });

  it('is not asked when it died meanwhile, and is gone when it is not needed any more', async () => {
    shells.fill();
    const [first = 0, second = 0] = waitingShells();
    process.kill(first, 'SIGKILL');
    await pidGone(first);
    await sleep(20);
    const { stdout } = await ended(shells.run({ command: 'echo well', environment: {} }));
    assert.equal(stdout, 'well\n');
    shells.close();
    assert.ok(await pidGone(second));
    await sleep(150);
    assert.deepEqual(waitingShells(), []);
  });

  it('holds no descriptor that a later one would keep open', async () => {
    shells.fill();
    const [first = 0, second = 0] = waitingShells();
    const pipes = (pid: number) =>
      readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    // Others may come from whoever started the tests.
    const ours = pipes(first).filter((pipe) => pipe.startsWith('socket:'));
    assert.equal(ours.length, 3);
    const shared = ours.filter((pipe) => pipes(second).includes(pipe));
    assert.deepEqual(shared, []);
  });
});
