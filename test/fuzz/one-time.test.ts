/** One-time files, whatever is in them: a mark is one character, and no other line is touched. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderDiagnostic } from '../../config/diagnostics.js';
import { markUsed, readOneTimeFile } from '../../config/one-time-file.js';
import { useFolder } from '../config/support/folder.js';
import { corpus, fuzz, mutatedText, randomBytes } from './support.js';

const FILES = corpus('test/fuzz/corpus/one-time');
const WORDS = ['17000,18000,19000', '\n', '\n#', '\r\n', '17001', '\n17001\n', ':udp', ' ', '\t'];

describe('a one-time file, whatever is in it', () => {
  const folder = useFolder();

  fuzz('says no port, and loses nothing but what is used up', 250, async (random) => {
    const path = join(folder(), 'any');
    const text = random.chance(8)
      ? randomBytes(random, 500).toString('latin1')
      : mutatedText(random, random.pick(FILES), WORDS);
    await writeFile(path, text, { encoding: 'latin1', mode: 0o600 });
    const before = (await readFile(path, 'latin1')).split('\n');
    const { lines, diagnostics } = await readOneTimeFile(path);
    for (const said of diagnostics.map(renderDiagnostic)) assert.doesNotMatch(said, /1[789]00\d/);
    if (lines.length === 0) return;
    const used = random.pick(lines);
    assert.equal(await markUsed(path, used), true);
    assert.equal(await markUsed(path, used), false);

    const after = (await readFile(path, 'latin1')).split('\n');
    assert.equal(after.length, before.length);
    const same = (knocks: typeof used.knocks) =>
      JSON.stringify(knocks) === JSON.stringify(used.knocks);
    const marked = new Set(lines.filter(({ knocks }) => same(knocks)).map(({ number }) => number));
    for (const [index, line] of before.entries()) {
      const now = after[index] ?? '';
      if (!marked.has(index + 1)) assert.equal(now, line);
      else assert.ok(now === `#${line}` || (now === `#${line.slice(1)}` && /^\s/.test(line)), line);
    }
    const left = (await readOneTimeFile(path)).lines;
    assert.deepEqual(
      left,
      lines.filter(({ number }) => !marked.has(number)),
    );
    assert.deepEqual(await readdir(folder()), ['any']);
  });
});
