import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { LISTENING, node } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('one state folder is for one postern', () => {
  const lab = useLab();

  it('a second one waits 5 s, then refuses with one line; the first does not notice', async () => {
    const file = join(await lab.folder(), 'opened');
    const first = await lab.postern(
      section('door', {
        sequence: SEQUENCE.join(','),
        tcpflags: 'syn',
        start_command: `echo opened >> ${file}`,
      }),
    );
    const began = Date.now();
    const second = await lab.network.exec(
      'server',
      node('postern', 'run', '-c', first.conf, '--state-dir', first.stateDir),
      { timeoutMs: 15_000 },
    );
    const tookMs = Date.now() - began;
    assert.equal(second.code, 1);
    assert.ok(tookMs >= 4500 && tookMs < 9000, `${tookMs} ms`);
    const said = `${second.stdout}${second.stderr}`;
    assert.match(said, /POSTERN_E_STATE_DIR|already|another postern/);
    assert.doesNotMatch(said, /^\s+at /m);
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('the first still opens', async () => (await linesOf(file)).length === 1);
    assert.equal((await first.status()).sensors[0]?.state, 'listening');
    await first.stop();
  });

  it('a second one takes over when the first ends within the 5 s', async () => {
    const folder = await lab.folder();
    const conf = section('door', {
      sequence: SEQUENCE.join(','),
      tcpflags: 'syn',
      command: 'true',
    });
    const first = await lab.postern({ conf, folder });
    const second = await lab.postern({ conf, folder, early: true });
    await first.program.end();
    await second.program.waitFor(LISTENING);
    await second.stop();
  });
});
