import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';

describe('a sequence of UDP and TCP knocks, 2222:udp,3333:tcp,4444:udp', () => {
  const lab = useLab();

  it('opens for the same ports by the same protocols only, over IPv4 and IPv6', async () => {
    const file = join(await lab.folder(), 'opened');
    const sequence = ['2222:udp', '3333:tcp', '4444:udp'];
    const start_command = `echo %IP% >> ${file}`;
    await lab.postern(
      section('mixed', { sequence: sequence.join(','), tcpflags: 'syn', start_command }),
    );
    await lab.knock(SERVER4, ['2222:udp', '3333:udp', '4444:udp']);
    await lab.knock(SERVER4, ['2222:tcp', '3333:tcp', '4444:tcp']);
    await lab.knock(SERVER6, sequence);
    await eventually('IPv6 opens', async () => (await linesOf(file)).includes(CLIENT6));
    assert.deepEqual(await linesOf(file), [CLIENT6]);
    await lab.knock(SERVER4, sequence);
    await eventually('IPv4 opens', async () => (await linesOf(file)).includes(CLIENT4));
    assert.deepEqual(await linesOf(file), [CLIENT6, CLIENT4]);
  });
});
