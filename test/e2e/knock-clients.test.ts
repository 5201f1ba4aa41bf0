import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('the two clients and the two servers understand each other', () => {
  const lab = useLab();

  function door(file: string): string {
    return section('door', {
      sequence: SEQUENCE.join(','),
      tcpflags: 'syn',
      start_command: `echo %IP% >> ${file}`,
    });
  }

  for (const [name, address] of [
    ['IPv4', SERVER4],
    ['IPv6', SERVER6],
  ] as const) {
    it(`the real knock opens postern over ${name}`, async () => {
      const opened = join(await lab.folder(), 'opened');
      await lab.postern(door(opened));
      await lab.knock(address, SEQUENCE);
      await eventually('the door opens', async () => (await linesOf(opened)).length === 1);
    });

    it(`postern's knock opens the real knockd over ${name}`, async () => {
      const folder = await lab.folder();
      const opened = join(folder, 'opened');
      const knockd = await lab.realKnockd(folder, door(opened));
      await lab.posternKnock(address, SEQUENCE);
      await eventually('the door opens', async () => (await linesOf(opened)).length === 1);
      await knockd.dispose();
    });
  }
});
