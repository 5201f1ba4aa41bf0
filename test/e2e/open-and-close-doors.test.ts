import assert from 'node:assert/strict';
import { IPTABLES, section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { dropByDefault, rulesFor } from '../support/firewall.js';
import { useLab } from '../support/lab.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';

describe("the manual's two doors: one sequence opens, its reverse closes", () => {
  const lab = useLab();
  beforeEach(() => dropByDefault(lab.network));

  const common = { seq_timeout: 5, tcpflags: 'syn' };
  const conf = [
    section('openSSH', {
      sequence: '7000,8000,9000',
      ...common,
      command: IPTABLES.start_command,
      command_6: IPTABLES.start_command_6,
    }),
    section('closeSSH', {
      sequence: '9000,8000,7000',
      ...common,
      command: IPTABLES.stop_command,
      command_6: IPTABLES.stop_command_6,
    }),
  ].join('\n');

  for (const [name, server, client] of [
    ['IPv4', SERVER4, CLIENT4],
    ['IPv6', SERVER6, CLIENT6],
  ] as const) {
    it(`over ${name}, twice in a row`, async () => {
      await lab.postern(conf);
      for (const round of ['first', 'second']) {
        assert.equal(await lab.reaches(server), false, `closed before the ${round} knock`);
        await lab.knock(server, ['7000', '8000', '9000']);
        await lab.opens(server);
        await lab.knock(server, ['9000', '8000', '7000']);
        await lab.shuts(server);
        await eventually('no rule', async () => (await rulesFor(lab.network, client)) === 0);
      }
    });
  }
});
