import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';
import { run } from '../support/run.js';
import { requireSystemd } from './support.js';

const unitFile = (name: string) => join(cloneFolder(), 'config/systemd', name);

/** systemd-analyze says it of units that lie anywhere, but needs systemd 250. */
async function exposure(name: string): Promise<{ code: number; text: string }> {
  const offline = ['--offline=yes', '--threshold=25'];
  const result = await run(['systemd-analyze', 'security', ...offline, unitFile(name)]);
  return { code: result.code, text: `${result.stdout}${result.stderr}` };
}

describe('the units', () => {
  before(function () {
    requireSystemd(this);
  });

  it('postern-nft.service exposes at most 2.5 by systemd-analyze', async () => {
    const { code, text } = await exposure('postern-nft.service');
    assert.equal(code, 0, text);
    assert.match(text, /Overall exposure level/);
  });

  for (const name of ['postern.service', 'postern-nft.service']) {
    it(`${name} has no line that systemd does not know`, async () => {
      const { stderr, stdout } = await run(['systemd-analyze', 'verify', unitFile(name)]);
      const lines = `${stderr}${stdout}`.split('\n').filter((line) => line.includes(name));
      // It is not installed here.
      const wrong = lines.filter((line) => !line.includes('/bin/postern is not executable'));
      assert.deepEqual(wrong, []);
    });

    it(`${name} is ready when it says so, is watched, and leaves long-running commands alone`, async () => {
      const unit = await readFile(unitFile(name), 'utf8');
      const lines = ['Type=notify', 'NotifyAccess=all', 'Restart=always', 'KillMode=process'];
      for (const line of [...lines, 'LimitCORE=0'])
        assert.match(unit, new RegExp(`^${line}$`, 'm'));
      assert.match(unit, /^WatchdogSec=\d+$/m);
    });
  }
});
