import assert from 'node:assert/strict';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, node } from '../support/daemon.js';
import { type RunResult, run } from '../support/run.js';

const door = (directives: string) => `[door]\n\tsequence = 7000,9000,8000\n${directives}`;
const sequence = (text: string) => `[door]\n\tsequence = ${text}\n\tcommand = true\n`;

/** What is written in the file; the line at fault (0: the whole file); what must be named. */
const BAD: readonly (readonly [string, string | Buffer, number, RegExp])[] = [
  ['an unknown directive', door('\tstart_comand = true\n'), 3, /start_comand.*start_command/i],
  ['a door without a sequence', '[door]\n\tcommand = true\n', 1, /sequence/i],
  ['port 0', sequence('7000,0,9000'), 2, /port/i],
  ['port 70000', sequence('7000,70000,9000'), 2, /port|65535/i],
  ['33 knocks', sequence(Array.from({ length: 33 }, (_, i) => 7000 + i).join(',')), 2, /32/],
  ['a bad flag', door('\ttcpflags = syn,sin\n'), 3, /sin/],
  ['an unknown protocol', sequence('7000,9000:icmp'), 2, /icmp/],
  ['a door directive in [options]', '[options]\n\tseq_timeout = 5\n', 2, /seq_timeout/i],
  ['a missing one-time file', '[door]\n\tone_time_sequences = /nowhere/at/all\n', 2, /nowhere/],
  ['a line of 10 MB', `[door]\n\tcommand = ${'x'.repeat(10_000_000)}\n`, 0, /bytes|long/],
  ['a binary file', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 255, 254, 10, 0]), 0, /binary/],
];

describe('bad input: one clear line, exit 1, no stack trace', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await makeFolder();
  });
  afterEach(() => rm(folder, { recursive: true }));

  function assertOneClearLine({ code, stdout, stderr }: RunResult, about: RegExp): void {
    const said = `${stdout}${stderr}`;
    assert.equal(code, 1, said.slice(0, 2000));
    assert.doesNotMatch(said, /^\s+at .*:\d+:\d+\)?$/m, 'no stack trace');
    assert.ok(said.length < 2000, `${said.length} characters`);
    const errors = said.split('\n').filter((line) => about.test(line));
    assert.ok(errors.length > 0, `${about} in:\n${said}`);
  }
  const check = (file: string) => run(node('postern', 'check', file));

  for (const [what, text, line, names] of BAD) {
    it(`postern check: ${what}, with its place`, async () => {
      const file = join(folder, 'bad.conf');
      await writeFile(file, text, { mode: 0o600 });
      const place = line === 0 ? ': ' : `:${line}:\\d+: `;
      const result = await check(file);
      assertOneClearLine(result, new RegExp(`bad\\.conf${place}.*(${names.source})`, 'i'));
      const errors = result.stdout.split('\n').filter((each) => /: error: /.test(each));
      assert.equal(errors.length, 1, result.stdout);
    });
  }

  it('postern check: a file that is not there', async () => {
    assertOneClearLine(await check(join(folder, 'none.conf')), /none\.conf/);
  });

  it('postern check: a file that cannot be read', async () => {
    // A link to itself: root, too, cannot read that.
    await symlink('loop.conf', join(folder, 'loop.conf'));
    assertOneClearLine(await check(join(folder, 'loop.conf')), /loop\.conf/);
  });

  it('postern check: a directory', async () => {
    await mkdir(join(folder, 'folder.conf'));
    assertOneClearLine(
      await check(join(folder, 'folder.conf')),
      /folder\.conf.*(directory|folder)/,
    );
  });

  it('postern run and knockd: the same errors as check, and nothing is started', async () => {
    const file = join(folder, 'bad.conf');
    await writeFile(file, `[options]\n\tstate_dir = ${folder}/state\n${sequence('7000,0')}`, {
      mode: 0o600,
    });
    for (const argv of [
      node('postern', 'run', '-c', file, '-i', 'lo'),
      node('knockd', '-c', file, '-i', 'lo', '-p', join(folder, 'pid')),
    ]) {
      assertOneClearLine(await run(argv), /bad\.conf:4:\d+: .*port/i);
    }
  });
});
