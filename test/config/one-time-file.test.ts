import assert from 'node:assert/strict';
import {
  appendFile,
  chmod,
  chown,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { renderDiagnostic } from '../../config/diagnostics.js';
import { markUsed, readOneTimeFile } from '../../config/one-time-file.js';
import { requireRoot } from '../support/root.js';
import { useFolder } from './support/folder.js';

describe('a one-time sequence file', () => {
  const folder = useFolder();

  async function file(content: string, name = 'sequences'): Promise<string> {
    const path = join(folder(), name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  /** The sequences that are left, as text. */
  async function left(path: string): Promise<readonly string[]> {
    const { lines } = await readOneTimeFile(path);
    return lines.map(({ number, knocks }) => `${number}: ${knocks.map(({ port }) => port)}`);
  }

  it('gives the unused sequences in order, with their line numbers', async () => {
    const path = await file('#1,2,3\n\n 27000,29000:udp,28000\r\n  # 4,5\n30000,31000\n');
    assert.deepEqual(await left(path), ['3: 27000,29000,28000', '5: 30000,31000']);
    const { lines } = await readOneTimeFile(path);
    assert.deepEqual(lines[0]?.knocks[1], { port: 29000, protocol: 'udp' });
  });

  it('skips what is no sequence and says where, without a port', async () => {
    const path = await file('27000,abc\n27001,27002:xyz\n27003,27004\n');
    assert.deepEqual(await left(path), ['3: 27003,27004']);
    const { diagnostics } = await readOneTimeFile(path);
    const said = diagnostics.map(renderDiagnostic);
    assert.match(said[0]!, /:1:7: warning: line skipped: it has "abc" at knock 2/);
    assert.match(said[1]!, /:2:13: warning: line skipped: .*"xyz" at knock 2/);
    assert.doesNotMatch(said.join('\n'), /2700\d/);
  });

  it('marks the used line in place of its blank, as knockd does, and changes nothing else', async () => {
    const path = await file(' 1,2,3\r\n\t4,5,6\nnot one, \xe4\n');
    assert.equal(
      await markUsed(path, { knocks: (await readOneTimeFile(path)).lines[0]!.knocks }),
      true,
    );
    assert.equal(await readFile(path, 'utf8'), '#1,2,3\r\n\t4,5,6\nnot one, \xe4\n');
  });

  it('marks a line without a blank before its first digit, so that nothing is lost', async () => {
    const path = await file('1,2,3\n4,5,6');
    const [first, last] = (await readOneTimeFile(path)).lines;
    await markUsed(path, last!);
    await markUsed(path, first!);
    assert.equal(await readFile(path, 'utf8'), '#1,2,3\n#4,5,6');
    assert.deepEqual(await left(path), []);
  });

  it('finds the line by its content after the operator has edited the file', async () => {
    const path = await file('1,2,3\n4,5,6\n');
    const [, second] = (await readOneTimeFile(path)).lines;
    await writeFile(path, '# new list\n7,8,9\n 4:tcp, 5 ,6\n');
    await appendFile(path, '10,11,12\n');
    assert.equal(await markUsed(path, second!), true);
    assert.equal(await readFile(path, 'utf8'), '# new list\n7,8,9\n#4:tcp, 5 ,6\n10,11,12\n');
  });

  it('uses a sequence up that stands there twice', async () => {
    const path = await file('1,2,3\n1,2,3\n1:udp,2,3\n');
    await markUsed(path, (await readOneTimeFile(path)).lines[0]!);
    assert.deepEqual(await left(path), ['3: 1,2,3']);
  });

  it('says when the sequence is not there, and leaves the file alone', async () => {
    const path = await file('#1,2,3\n4,5,6\n');
    const before = await stat(path);
    assert.equal(await markUsed(path, { knocks: [{ port: 1, protocol: 'tcp' }] }), false);
    assert.equal((await stat(path)).ino, before.ino);
  });

  it('keeps mode and owner and leaves no other file behind', async function () {
    requireRoot(this);
    const path = await file('1,2,3\n', 'owned');
    await chown(path, 0, 4);
    await chmod(path, 0o640);
    await markUsed(path, (await readOneTimeFile(path)).lines[0]!);
    const { mode, uid, gid } = await stat(path);
    assert.deepEqual([mode & 0o7777, uid, gid], [0o640, 0, 4]);
    assert.deepEqual(
      (await readdir(folder())).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('rewrites what a symbolic link leads to, not the link', async () => {
    const path = await file('1,2,3\n', 'real');
    const link = join(folder(), 'link');
    await symlink(path, link);
    await markUsed(link, (await readOneTimeFile(link)).lines[0]!);
    assert.equal(await readFile(path, 'utf8'), '#1,2,3\n');
  });

  it('keeps every mark when many are made at once', async () => {
    const path = await file(Array.from({ length: 20 }, (_, i) => `${i + 1},2,3\n`).join(''));
    const { lines } = await readOneTimeFile(path);
    const marked = await Promise.all(lines.map((line) => markUsed(path, line)));
    assert.deepEqual([...new Set(marked)], [true]);
    assert.deepEqual(await left(path), []);
  });

  it('is refused when it is not there or others can write it', async () => {
    const coded = { code: 'POSTERN_E_ONE_TIME' };
    await assert.rejects(readOneTimeFile('/not/there'), {
      ...coded,
      message: /\/not\/there does not/,
    });
    const path = await file('1,2,3\n', 'open');
    await chmod(path, 0o666);
    await assert.rejects(readOneTimeFile(path), coded);
    await assert.rejects(markUsed(path, { knocks: [] }), coded);
  });

  it('never gives a used sequence again, whatever the file looks like', async () => {
    const line = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.constantFrom('', ' ', '\t', '#'), fc.array(fc.integer({ min: 1, max: 9 })))
        .map(([blank, ports]) => `${blank}${ports.join(',')}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line), async (texts) => {
        const path = await file(texts.join('\n'), 'any');
        const [first, ...rest] = (await readOneTimeFile(path)).lines;
        if (!first) return;
        assert.equal(await markUsed(path, first), true);
        const others = rest.filter((other) => `${portsOf(other)}` !== `${portsOf(first)}`);
        assert.deepEqual(
          await left(path),
          others.map((o) => `${o.number}: ${portsOf(o)}`),
        );
      }),
      { numRuns: 50 },
    );
  });
});

function portsOf({ knocks }: { knocks: readonly { port: number }[] }): string {
  return knocks.map(({ port }) => port).join(',');
}
