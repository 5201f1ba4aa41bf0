import assert from 'node:assert/strict';
import { join } from 'node:path';
import { node } from '../support/daemon.js';
import { useLab } from '../support/lab.js';

const DOOR = '[ssh]\nsequence = 27000,29000,28000\ntcpflags = syn\ncmd_timeout = 5\n';

describe('postern check and the firewall of the host', function () {
  this.timeout(30_000);
  const lab = useLab();

  /** Lines of `postern check` on the server, but the summary. */
  async function check(conf: string, ...before: readonly string[]): Promise<readonly string[]> {
    const file = join(await lab.folder(), 'knockd.conf');
    const on = `[options]\ninterface = ${lab.network.interfaces.server}\n`;
    await lab.write(file, on + conf);
    const argv = [...before, ...node('postern', 'check', file)];
    const { code, stdout, stderr } = await lab.network.exec('server', argv);
    assert.equal(code, 0, stderr + stdout);
    return stdout.trimEnd().split('\n').slice(0, -1);
  }

  const GUARD = `nft_guard = yes\n${DOOR}allow = 22/tcp\n`;

  it('has nothing to say of a host without a firewall, with the guard', async () => {
    await lab.network.must('server', ['nft', 'flush', 'ruleset']);
    assert.deepEqual(await check(GUARD), []);
  });

  it('warns, at the door, of a port that would stay shut or is open', async () => {
    const input = `flush ruleset
      table inet filter {
        chain input { type filter hook input priority 0; policy drop;\ntcp dport 80 accept\n}
      }\n`;
    await lab.network.must('server', ['nft', '-f', '-'], { input });
    const [shut = '', ...more] = await check(GUARD);
    assert.deepEqual(more, []);
    assert.match(shut, /knockd\.conf:4: warning: door \[ssh\]: 22\/tcp would still be shut/);
    const [open = ''] = await check(`nft_table = inet filter\n${DOOR}allow = 80/tcp\n`);
    assert.match(
      open,
      /door \[ssh\]: 80\/tcp is open without a knock.*\[POSTERN_W_FIREWALL_OPEN\]/,
    );
  });

  it('says that it did not look without the right to, or without nft', async () => {
    const drop = ['setpriv', '--bounding-set', '-net_admin'];
    const [found = ''] = await check(GUARD, ...drop);
    assert.match(
      found,
      /the firewall was not looked at, for reading it takes root, or CAP_NET_ADMIN/,
    );
  });

  it('reads nothing for a file without allow', async () => {
    assert.deepEqual(
      await check(
        `${DOOR.replace(/cmd.*\n/, '')}command = echo %IP%\n`,
        'setpriv',
        '--bounding-set',
        '-net_admin',
      ),
      [],
    );
  });
});
