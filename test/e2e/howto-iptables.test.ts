import assert from 'node:assert/strict';
import { IPTABLES, section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { dropByDefault, rulesFor } from '../support/firewall.js';
import { useLab } from '../support/lab.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('the iptables how-to: closed, knock, open, closed by the stop command', () => {
  const lab = useLab({ clientAddresses: ['192.0.2.33'] });
  beforeEach(() => dropByDefault(lab.network));

  const conf = section('openSSH', {
    sequence: SEQUENCE.join(','),
    seq_timeout: 5,
    tcpflags: 'syn',
    cmd_timeout: 2,
    ...IPTABLES,
  });

  for (const [name, server, client] of [
    ['IPv4', SERVER4, CLIENT4],
    ['IPv6', SERVER6, CLIENT6],
  ] as const) {
    it(`over ${name}, for the source alone`, async () => {
      const postern = await lab.postern(conf);
      assert.equal(await lab.reaches(server), false);
      await lab.knock(server, SEQUENCE);
      await lab.opens(server);
      assert.equal(await rulesFor(lab.network, client), 1);
      assert.equal(await rulesFor(lab.network, '192.0.2.33'), 0);
      await lab.shuts(server, 4000);
      await eventually('the rule is gone', async () => (await rulesFor(lab.network, client)) === 0);
      await postern.stop();
    });
  }

  it('a knock while it is open adds no second rule and keeps it open longer (G2)', async () => {
    await lab.postern(conf);
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    const opened = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('past the first deadline', () => Date.now() > opened + 2500);
    assert.equal(await rulesFor(lab.network, CLIENT4), 1);
    await eventually('closed', async () => (await rulesFor(lab.network, CLIENT4)) === 0);
  });

  it('knocks in the wrong order open nothing', async () => {
    await lab.postern(conf);
    await lab.knock(SERVER4, ['7000', '8000', '9000']);
    await lab.knock(SERVER4, ['9000', '8000', '7000']);
    // What comes later in the same capture has been seen: so were the wrong ones.
    await lab.knock(SERVER6, SEQUENCE);
    await lab.opens(SERVER6);
    assert.equal(await rulesFor(lab.network, CLIENT4), 0);
  });
});
