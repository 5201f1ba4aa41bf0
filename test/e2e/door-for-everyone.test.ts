import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('a door whose commands name no source, as with firewall-cmd (G9)', () => {
  const lab = useLab();

  it('opens once, is extended by a second source, and closes once, at the latest deadline', async () => {
    const file = join(await lab.folder(), 'log');
    const postern = await lab.postern(
      section('everyone', {
        sequence: SEQUENCE.join(','),
        tcpflags: 'syn',
        cmd_timeout: 2,
        start_command: `echo add-port >> ${file}`,
        stop_command: `echo remove-port >> ${file}`,
      }),
    );
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('open', async () => (await linesOf(file)).length === 1);
    const opened = Date.now();
    await eventually('one second later', () => Date.now() > opened + 1000);
    await lab.knock(SERVER6, SEQUENCE);
    await eventually('past the first deadline', () => Date.now() > opened + 2500);
    assert.deepEqual(await linesOf(file), ['add-port']);
    assert.equal((await postern.status()).grants.length, 1);
    await eventually('closed', async () => (await linesOf(file)).length === 2);
    assert.ok(Date.now() - opened >= 3000, 'a second after the second knock at the earliest');
    assert.deepEqual(await linesOf(file), ['add-port', 'remove-port']);
    await postern.stop();
    assert.deepEqual(await linesOf(file), ['add-port', 'remove-port']);
  });
});
