import { join } from 'node:path';
import { section } from '../support/conf.js';
import { LISTENING } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
/** A second wire between the two, which comes and goes. */
const WIRE = { server: 'second0', client: 'second1' };
const SECOND4 = '198.51.100.1';

describe('which interfaces postern listens on (G8)', () => {
  const lab = useLab();
  let file: string;
  beforeEach(async () => {
    file = join(await lab.folder(), 'opened');
  });
  afterEach(() => lab.network.exec('server', ['ip', 'link', 'del', WIRE.server]));

  async function plugIn(): Promise<void> {
    const { client } = lab.network.namespaces;
    const pair = ['type', 'veth', 'peer', 'name', WIRE.client, 'netns', client];
    await lab.network.must('server', ['ip', 'link', 'add', WIRE.server, ...pair]);
    for (const [side, address] of [
      ['server', SECOND4],
      ['client', '198.51.100.2'],
    ] as const) {
      const device = ['dev', WIRE[side]];
      await lab.network.must(side, ['ip', 'addr', 'add', `${address}/24`, ...device]);
      await lab.network.must(side, ['ip', 'link', 'set', WIRE[side], 'up']);
    }
  }

  const conf = (options = '') =>
    options +
    section('door', {
      sequence: SEQUENCE.join(','),
      tcpflags: 'syn',
      start_command: `echo %IP% >> ${file}`,
    });
  async function opensAt(address: string, count: number): Promise<void> {
    await lab.knock(address, SEQUENCE);
    await eventually(`opens at ${address}`, async () => (await linesOf(file)).length === count);
  }

  it('one that is not there yet: it waits, says so, and listens once it comes', async () => {
    const postern = await lab.postern({ conf: conf(), interface: WIRE.server, early: true });
    await postern.program.waitFor(
      new RegExp(`waiting.*${WIRE.server}|${WIRE.server}.*waiting`, 'i'),
    );
    const from = postern.logs.length;
    await plugIn();
    await postern.program.waitFor(LISTENING, { from });
    await opensAt(SECOND4, 1);
    await postern.stop();
  });

  it('several, from the command line', async () => {
    await plugIn();
    const both = `${lab.network.interfaces.server},${WIRE.server}`;
    const postern = await lab.postern({ conf: conf(), interface: both });
    await eventually(
      'both listen',
      async () =>
        (await postern.status()).sensors.filter((each) => each.state === 'listening').length === 2,
    );
    await opensAt(SERVER4, 1);
    await opensAt(SECOND4, 2);
    await opensAt(SERVER6, 3);
  });

  it('several, from the configuration', async () => {
    await plugIn();
    const both = `${lab.network.interfaces.server}, ${WIRE.server}`;
    const options = `[options]\n\tInterface = ${both}\n`;
    const postern = await lab.postern({ conf: conf(options), interface: null });
    await eventually(
      'both listen',
      async () =>
        (await postern.status()).sensors.filter((each) => each.state === 'listening').length === 2,
    );
    await opensAt(SECOND4, 1);
  });

  it('any: every one of them, over IPv4 and IPv6', async () => {
    await plugIn();
    await lab.postern({ conf: conf(), interface: 'any' });
    await opensAt(SERVER4, 1);
    await opensAt(SECOND4, 2);
    await opensAt(SERVER6, 3);
  });
});
