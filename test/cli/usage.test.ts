import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, node } from '../support/daemon.js';
import { run } from '../support/run.js';

describe('the command lines', () => {
  for (const program of ['postern', 'knockd', 'knock'] as const) {
    it(`${program} -V and -h answer`, async () => {
      const version = await run(node(program, '-V'));
      assert.deepEqual([version.code, version.stderr], [0, '']);
      assert.match(version.stdout, /\d+\.\d+/);
      const help = await run(node(program, '-h'));
      // The real knock's usage is exit code 1.
      assert.equal(help.code, program === 'knock' ? 1 : 0);
      assert.match(help.stdout, /usage/i);
    });

    it(`${program} with an unknown option says so in a line or two, exit 1`, async () => {
      const { code, stdout, stderr } = await run(node(program, '--no-such-option'));
      assert.equal(code, 1);
      assert.match(`${stdout}${stderr}`, /no-such-option|usage/i);
      assert.doesNotMatch(stderr, /^\s+at /m);
    });
  }

  it('postern with an unknown subcommand names it, exit 1', async () => {
    const { code, stderr } = await run(node('postern', 'opne'));
    assert.equal(code, 1);
    assert.match(stderr, /opne/);
  });

  it('status, events and reload without a running postern: one line that says so, exit 1', async () => {
    const folder = await makeFolder();
    for (const subcommand of ['status', 'events', 'reload']) {
      const argv = node('postern', subcommand, '--state-dir', join(folder, 'state'));
      const { code, stdout, stderr } = await run(argv);
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.match(stderr, /postern/);
    }
    await rm(folder, { recursive: true });
  });

  it('help whose reader is gone ends quietly', async () => {
    const [program, ...words] = node('postern', '--help');
    const script = `"${program}" ${words.map((word) => `"${word}"`).join(' ')} | head -n 0`;
    const { stderr } = await run(['bash', '-c', script]);
    assert.equal(stderr, '');
  });
});
