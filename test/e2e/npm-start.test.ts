import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';
import { LISTENING } from '../support/daemon.js';
import { useLab } from '../support/lab.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';

describe('npm start', () => {
  const lab = useLab();

  it('says how to knock on the shipped example, and the knock writes a line to the log', async () => {
    const state = join(await lab.folder(), 'state');
    const start = join(cloneFolder(), 'scripts', 'start.sh');
    const flags = ['-i', lab.network.interfaces.server, '--state-dir', state];
    const postern = lab.program(['bash', start, ...flags]);
    await postern.waitFor(LISTENING, { withinMs: 15_000 });
    const shown = await postern.waitFor(/postern knock (\S+)((?: \d+(?::\w+)?){3,})/);
    const [, address = '', ports = ''] = shown;
    assert.equal(address, SERVER4);
    await lab.knock(address, ports.trim().split(' '));
    await postern.waitFor(new RegExp(`The door is open for ${CLIENT4.replaceAll('.', '\\.')}`));
    const { code } = await postern.end();
    assert.equal(code, 0, postern.logs);
  });
});
