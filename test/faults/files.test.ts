import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { node } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const SOMEBODY = 12_345;

/** A file or folder of postern's and how it was spoilt; the state folder is one of an earlier run. */
interface Spoilt {
  readonly what: string;
  /** Below the test's folder. */
  readonly path: string;
  spoil(path: string): Promise<void>;
}

const mode = (path: string, what: string, bits: number): Spoilt => ({
  what,
  path,
  spoil: (at) => chmod(at, bits),
});
const stranger = (path: string): Spoilt => ({
  what: 'of a third user',
  path,
  spoil: (at) => chown(at, SOMEBODY, SOMEBODY),
});
const link = (path: string): Spoilt => ({
  what: 'a symbolic link',
  path,
  async spoil(at) {
    await rename(at, `${at}.moved`);
    await symlink(`${at}.moved`, at);
  },
});

const REFUSED: readonly Spoilt[] = [
  mode('knockd.conf', 'writable by its group', 0o620),
  mode('knockd.conf', 'writable by others', 0o602),
  stranger('knockd.conf'),
  mode('sequences', 'writable by its group', 0o620),
  mode('sequences', 'writable by others', 0o602),
  stranger('sequences'),
  mode('state/journal.key', 'readable by its group', 0o640),
  mode('state/journal.key', 'readable by others', 0o604),
  stranger('state/journal.key'),
  link('state/journal.key'),
  stranger('state'),
  link('state'),
  stranger('state/redis'),
  link('state/redis'),
  stranger('state/configurations'),
  link('state/configurations'),
];

describe('files that others could have changed or read (T8)', () => {
  const lab = useLab();
  let folder: string;
  let conf: string;
  beforeEach(async () => {
    folder = await lab.folder();
    const file = join(folder, 'sequences');
    await writeFile(file, '7100,9100,8100\n', { mode: 0o600 });
    conf =
      door({ start_command: `echo start %IP% >> ${folder}/log` }) +
      section('once', { one_time_sequences: file, start_command: 'true' });
  });
  const door = (commands: Readonly<Record<string, string | number>>) =>
    section('door', { sequence: SEQUENCE.join(','), tcpflags: 'syn', ...commands });

  async function modes(path: string): Promise<Record<string, string>> {
    const names = (await readdir(path)).map((name) => join(path, name));
    const all = await Promise.all(
      [path, ...names].map(async (each) => [each.slice(folder.length + 1), await bits(each)]),
    );
    return Object.fromEntries(all);
  }
  const bits = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

  it('what postern makes is its owner’s alone', async () => {
    await lab.postern({ conf, folder });
    const state = await modes(join(folder, 'state'));
    assert.deepEqual(state, {
      state: '700',
      'state/redis': '700',
      'state/configurations': '700',
      'state/journal.key': '600',
      'state/control.sock': '600',
    });
    const kept = await modes(join(folder, 'state/configurations'));
    assert.deepEqual([...new Set(Object.values(kept))].sort(), ['600', '700']);
    assert.equal(await bits(join(folder, 'state/redis/redis.sock')), '700');
  });

  for (const name of ['state', 'state/redis', 'state/configurations']) {
    it(`${name} that was open to others is closed`, async () => {
      await mkdir(join(folder, 'state'), { mode: 0o700 });
      if (name !== 'state') await mkdir(join(folder, name));
      await chmod(join(folder, name), 0o777);
      await lab.postern({ conf, folder });
      assert.equal(await bits(join(folder, name)), '700');
    });
  }

  it('refuses every one that cannot be trusted, in one line that names it, and starts nothing', async function () {
    this.timeout(60_000);
    const first = await lab.postern({ conf, folder });
    await first.stop('SIGTERM', { keep: true });
    const refuses = async ({ what, path, spoil }: Spoilt) => {
      const copy = await lab.folder();
      await lab.network.must('server', ['cp', '-a', `${folder}/.`, copy]);
      const own = conf.replaceAll(folder, copy);
      await lab.write(join(copy, 'knockd.conf'), own);
      await spoil(join(copy, path));
      const child = lab.program(run(copy));
      const { code } = await child.ended();
      assert.equal(code, 1, `${path} ${what}: ${child.logs}`);
      const lines = child.logs.split('\n').filter((line) => line.includes(join(copy, path)));
      assert.equal(lines.length, 1, `${path} ${what}: ${child.logs}`);
      assert.doesNotMatch(child.logs, /listening|^\s+at /m);
    };
    for (let at = 0; at < REFUSED.length; at += 4) {
      await Promise.all(REFUSED.slice(at, at + 4).map(refuses));
    }
  });

  it('a reload of a file that others can write keeps the running configuration', async () => {
    const postern = await lab.postern({ conf, folder });
    await chmod(postern.conf, 0o622);
    const from = postern.logs.length;
    postern.program.child.kill('SIGHUP');
    await postern.program.waitFor(/not reloaded/, { from });
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('opens', async () => (await linesOf(join(folder, 'log'))).length === 1);
  });

  it('a kept configuration that was changed runs nothing, and somebody is told', async () => {
    const log = join(folder, 'log');
    const commands = { start_command: `echo start >> ${log}`, cmd_timeout: 2 };
    const stop_command = `echo stop >> ${log}`;
    const postern = await lab.postern({ conf: door({ ...commands, stop_command }), folder });
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('open', async () => (await postern.status()).grants[0]?.state === 'open');
    await postern.kill();
    const kept = join(folder, 'state/configurations');
    for (const name of await readdir(kept)) {
      const [text] = await linesOf(join(kept, name));
      await writeFile(join(kept, name), text?.replace('echo stop', 'echo evil') ?? '');
    }
    const other = section('other', { sequence: '7001,9001', start_command: 'true' });
    const next = await lab.postern({ conf: other, folder });
    await next.program.waitFor(/MAY STILL BE OPEN/);
    assert.match(next.logs, new RegExp(`${CLIENT4}`));
    assert.deepEqual(await linesOf(log), ['start']);
  });
});

/** The command line of a postern on that folder. */
function run(folder: string): string[] {
  const conf = join(folder, 'knockd.conf');
  return node('postern', 'run', '-c', conf, '-i', 'lo', '--state-dir', join(folder, 'state'));
}
