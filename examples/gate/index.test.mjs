import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { testSink } from 'postern/testing';
import gate from './index.mjs';

test('the gate keeps to the contract of sinks', async (context) => {
  const above = await mkdtemp(join(tmpdir(), 'gate-'));
  context.after(() => rm(above, { recursive: true }));
  const folder = join(above, 'open');

  // What is open: the sources in the folder.
  const state = async () => {
    const names = await readdir(folder);
    return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).sort();
  };
  // A folder that is a file takes no files.
  const breakIt = async () => {
    await rename(folder, `${folder}.away`);
    await writeFile(folder, '');
    return async () => {
      await rm(folder);
      await rename(`${folder}.away`, folder);
    };
  };
  const report = await testSink(gate, { options: { folder }, state, breakIt });
  assert.deepEqual(report.skipped, ['failures are heard of: it has no failed']);
});

test('the gate says what its section lacks', async () => {
  await assert.rejects(testSink(gate), /folder = \/run\/gate/);
});
