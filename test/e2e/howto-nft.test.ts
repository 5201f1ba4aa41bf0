import assert from 'node:assert/strict';
import { section } from '../support/conf.js';
import { useLab } from '../support/lab.js';
import { SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const RULESET = `
flush ruleset
table inet filter {
  set open4 { type ipv4_addr; }
  set open6 { type ipv6_addr; }
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    ip saddr @open4 tcp dport 2222 accept
    ip6 saddr @open6 tcp dport 2222 accept
  }
}
`;

describe('the nft how-to: an element for the source, and its removal', () => {
  const lab = useLab();
  beforeEach(() => lab.network.must('server', ['nft', '-f', '-'], { input: RULESET }));

  const conf = section('ssh', {
    sequence: SEQUENCE.join(','),
    tcpflags: 'syn',
    cmd_timeout: 1,
    start_command: '/usr/sbin/nft add element inet filter open4 { %IP% }',
    stop_command: '/usr/sbin/nft delete element inet filter open4 { %IP% }',
    start_command_6: '/usr/sbin/nft add element inet filter open6 { %IP% }',
    stop_command_6: '/usr/sbin/nft delete element inet filter open6 { %IP% }',
  });

  for (const [name, server] of [
    ['IPv4', SERVER4],
    ['IPv6', SERVER6],
  ] as const) {
    it(`opens and closes over ${name}`, async () => {
      await lab.postern(conf);
      assert.equal(await lab.reaches(server), false);
      await lab.knock(server, SEQUENCE);
      await lab.opens(server);
      await lab.shuts(server);
    });
  }
});
