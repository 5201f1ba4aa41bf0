import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFile } from '../../src/cli/check.js';
import { requireRoot } from '../support/root.js';
import { mustRun } from '../support/run.js';
import { useFolder } from './support/folder.js';

const GOOD = '[door]\nsequence = 27000,29000,28000\ntcpflags = syn\ncommand = echo %IP%\n';

describe('postern check', () => {
  const folder = useFolder();

  async function file(name: string, content: string | Buffer, mode = 0o600): Promise<string> {
    const path = join(folder(), name);
    await writeFile(path, content);
    await chmod(path, mode);
    return path;
  }

  async function check(path: string): Promise<{ code: number; lines: readonly string[] }> {
    let output = '';
    const stdout = { write: (text: string) => (output += text) };
    const code = await checkFile(path, { stdout });
    return { code, lines: output.trimEnd().split('\n') };
  }

  it('says how many doors a good file has, and exits 0', async () => {
    const path = await file('good.conf', GOOD);
    assert.deepEqual(await check(path), {
      code: 0,
      lines: [`${path}: 1 door: 0 errors, 0 warnings`],
    });
  });

  it('finds nothing to complain of in the example that is shipped', async () => {
    const path = await file('example.conf', await readFile('config/knockd.conf'));
    assert.deepEqual(await check(path), {
      code: 0,
      lines: [`${path}: 1 door: 0 errors, 0 warnings`],
    });
  });

  it('prints a finding as file, line, column, severity, message and code', async () => {
    const path = await file('typo.conf', `${GOOD}  comand = x\n`);
    const { code, lines } = await check(path);
    assert.equal(code, 1);
    assert.deepEqual(lines, [
      `${path}:5:3: error: unknown directive "comand"; did you mean Command? [POSTERN_E_CONFIG_DIRECTIVE]`,
      `${path}: not loaded: 1 error, 0 warnings`,
    ]);
  });

  const BAD: Readonly<Record<string, [content: string, said: RegExp]>> = {
    'an unknown directive': ['[d]\nsequence=1,3,2\nfoo = 1\n', /:3:1: error: unknown directive/],
    'a door without a sequence': ['[d]\ncommand = x\n', /:1:1: error: door \[d\] has no sequence/],
    'port 0': ['[d]\nsequence = 5,0,6\n', /:2:14: error: .*out of range at knock 2/],
    'port 70000': ['[d]\nsequence = 5,6,70000\n', /:2:16: error: .*out of range at knock 3/],
    '33 knocks': [`[d]\nsequence = ${'7,'.repeat(32)}8\n`, /:2:76: error: .*33 knocks.* 32/],
    'a bad flag': ['[d]\nsequence=1,3,2\ntcpflags = syn,foo\n', /:3:16: error: .*"foo".*syn/],
    'an unknown protocol': ['[d]\nsequence = 1,2:icmp,3\n', /:2:16: error: .*"icmp" at knock 2/],
    'a door directive in [options]': [
      '[options]\ncmd_timeout = 5\n',
      /:2:1: error: Cmd_Timeout belongs to a door/,
    ],
    'a global at a door': ['[d]\nsequence=1,3,2\nlogfile = /x\n', /:3:1: error: .*\[options\]/],
    'a directive without its =': ['[d]\nsequence 1,3,2\n', /:2:1: error: Sequence needs a =/],
    'a missing one-time file': [
      '[d]\none_time_sequences = /not/there\n',
      /:2:22: error: .*\/not\/there does not exist/,
    ],
    'too many doors': [
      '[d]\nsequence = 1\n'.repeat(4097),
      /:8193:1: error: the file has 4097 doors/,
    ],
    'a NUL byte': ['[d]\nsequence=1,3,2\0\n', /error: the file is binary/],
    'a line of 10 MB': [`[d]\ncommand = ${'x'.repeat(1e7)}\n`, /error: the file is larger than/],
    'a line no shell would take': [
      `[d]\nsequence=1\ncommand = ${'x'.repeat(2e5)}\n`,
      /:3:1: error/,
    ],
  };
  for (const [what, [content, said]] of Object.entries(BAD))
    it(`says in one line what is wrong about ${what}, and exits 1`, async () => {
      const { code, lines } = await check(await file('bad.conf', content));
      const errors = lines.filter((line) => line.includes(': error: '));
      assert.equal(code, 1);
      assert.equal(errors.length, 1, lines.join('\n'));
      assert.match(errors[0]!, said);
    });

  it('says what is wrong about a path that is no readable file', async () => {
    await mkdir(join(folder(), 'a-folder'));
    await mustRun(['mkfifo', join(folder(), 'fifo')]);
    const said = async (name: string) => (await check(join(folder(), name))).lines[0]!;
    assert.match(await said('a-folder'), /error: the file is a directory/);
    assert.match(await said('nothing'), /error: the file does not exist/);
    assert.match(await said('fifo'), /error: the file is not a regular file/);
  });

  it('refuses a file that group or others can write, and warns of one that others can read', async () => {
    assert.match(
      (await check(await file('g.conf', GOOD, 0o620))).lines[0]!,
      /written by its group/,
    );
    assert.match((await check(await file('o.conf', GOOD, 0o602))).lines[0]!, /written by everyone/);
    const open = await check(await file('r.conf', GOOD, 0o644));
    assert.equal(open.code, 0);
    assert.match(open.lines[0]!, /warning: every user of this host can read/);
  });

  it('refuses a file, or one-time file, of a third user', async function () {
    requireRoot(this);
    const path = await file('third.conf', GOOD);
    await chown(path, 65_534, 0);
    assert.match((await check(path)).lines[0]!, /error: the file belongs to user 65534/);
    const sequences = await file('sequences', '1,3,2\n');
    await chown(sequences, 65_534, 0);
    const door = await file('door.conf', `[d]\none_time_sequences = ${sequences}\n`);
    assert.match((await check(door)).lines.join('\n'), /:2:22: error: .*belongs to user 65534/);
  });

  it('says that a used-up one-time file leaves the door shut', async () => {
    const sequences = await file('used', '#1,3,2\n');
    const path = await file('one.conf', `[d]\none_time_sequences = ${sequences}\ncommand = x\n`);
    const { code, lines } = await check(path);
    assert.equal(code, 0);
    assert.match(lines[0]!, /:2:22: warning: .*no unused sequence left; door \[d\] stays shut/);
  });

  it('cannot be made to print a line that is not its own', async () => {
    const { lines } = await check(await file('forged.conf', '[a\u001b[31m\rb]\ncommand=x\n'));
    assert.equal(lines.length, 2);
    assert.ok(lines.every((line) => !/\p{Cc}/u.test(line)));
  });
});
