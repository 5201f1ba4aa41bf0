import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, node } from '../support/daemon.js';
import { run } from '../support/run.js';

describe('without the right to capture', () => {
  it('postern run says in one sentence what to run, exit 1', async () => {
    const folder = await makeFolder();
    const conf = join(folder, 'knockd.conf');
    await writeFile(conf, '[door]\n\tsequence = 7000,9000,8000\n\ttcpflags = syn\n', {
      mode: 0o600,
    });
    const argv = node(
      'postern',
      'run',
      '-c',
      conf,
      '-i',
      'lo',
      '--state-dir',
      join(folder, 'state'),
    );
    // Root, too, has no such right in a container that leaves CAP_NET_RAW out.
    const without = ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw'];
    const { code, stdout, stderr } = await run(
      process.getuid?.() === 0 ? [...without, ...argv] : argv,
    );
    const said = `${stdout}${stderr}`;
    await rm(folder, { recursive: true });
    assert.equal(code, 1, said);
    const lines = said.split('\n').filter((line) => line.trim() !== '');
    assert.equal(lines.length, 1, said);
    assert.match(said, /sudo|CAP_NET_RAW|setcap|root/);
  });
});
