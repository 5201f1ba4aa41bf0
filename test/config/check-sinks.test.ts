import assert from 'node:assert/strict';
import { chmod, chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFile } from '../../src/cli/check.js';
import { makeFolder } from '../support/daemon.js';
import { requireRoot } from '../support/root.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`;

describe('postern check of sinks', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  beforeEach(async () => {
    folder = await makeFolder();
    await chmod(folder, 0o755);
    await writeFile(path('secret'), SECRET, { mode: 0o600 });
    // A check that ran it would end this very process.
    await writeFile(path('gate.mjs'), 'process.exit(1);\n', { mode: 0o600 });
    await writeFile(
      path('conf'),
      `[webhook:ops]\nurl = https://h/tok3n\nsecret_file = ${path('secret')}\n` +
        `[module:gate]\npath = ${path('gate.mjs')}\n` +
        '[door]\nsequence = 27000,29000,28000\ntcpflags = syn\nsinks = webhook:ops, module:gate\n',
      { mode: 0o600 },
    );
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What is said besides the summary; a sink that cannot be used is never an error. */
  async function check(): Promise<readonly string[]> {
    let output = '';
    const stdout = { write: (text: string) => (output += text) };
    assert.equal(await checkFile(path('conf'), { stdout }), 0);
    assert.ok(!output.includes(SECRET.slice(6, 20)) && !output.includes('tok3n'));
    return output.trimEnd().split('\n').slice(0, -1);
  }

  it('says nothing of files that are right, and runs no module', async () => {
    assert.deepEqual(await check(), []);
  });

  it('says at the section what is wrong with its files', async () => {
    await chmod(path('secret'), 0o640);
    await chmod(path('gate.mjs'), 0o622);
    const said = await check();
    assert.equal(said.length, 2);
    assert.match(said[0]!, /conf:1: warning: \[webhook:ops\].*secret.*\[POSTERN_W_SINK\]$/);
    assert.match(
      said[1]!,
      /conf:4: warning: \[module:gate\].*gate\.mjs can be written by its group/,
    );
    await rm(path('secret'));
    assert.match((await check())[0]!, /\[webhook:ops\].*secret does not exist/);
  });

  it("passes over another user's file with a note", async function () {
    requireRoot(this);
    await chown(path('secret'), 65_534, 65_534);
    const said = await check();
    assert.equal(said.length, 1);
    assert.match(said[0]!, /note: .*secret is another user's; check as the user that runs postern/);
  });
});
