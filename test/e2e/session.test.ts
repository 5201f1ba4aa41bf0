import { strict as assert } from 'node:assert';
import { IPTABLES, section } from '../support/conf.js';
import { dropByDefault } from '../support/firewall.js';
import { SERVICE, useLab } from '../support/lab.js';
import { SERVER4, SERVER6 } from '../support/netns.js';
import { Program } from '../support/program.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('a TCP session that is up when the door closes', () => {
  const lab = useLab();
  beforeEach(() => dropByDefault(lab.network));

  const conf = section('ssh', {
    sequence: SEQUENCE.join(','),
    tcpflags: 'syn',
    cmd_timeout: 1,
    ...IPTABLES,
  });

  for (const [name, server] of [
    ['IPv4', SERVER4],
    ['IPv6', SERVER6],
  ] as const) {
    it(`stays up over ${name}, while new ones are refused`, async () => {
      await lab.postern(conf);
      await lab.knock(server, SEQUENCE);
      await lab.opens(server);
      const script = `const s = require('net').connect(${SERVICE}, '${server}');
        process.stdin.pipe(s).pipe(process.stdout);`;
      const child = lab.network.spawn('client', [process.execPath, '-e', script], {
        stdio: 'pipe',
      });
      const session = new Program(child);
      child.stdin?.write('before\n');
      await session.waitFor(/before/);
      await lab.shuts(server);
      child.stdin?.write('after\n');
      await session.waitFor(/after/);
      assert.equal(await lab.reaches(server), false);
      await session.dispose();
    });
  }
});
