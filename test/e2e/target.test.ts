import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const SECOND_ADDRESS = '192.0.2.9';
/** An address of no one: its packets only pass the server's wire, as on a router. */
const BEHIND = '198.51.100.7';

describe('Target: knocks count at that address alone (M1)', () => {
  const lab = useLab();
  before(async () => {
    await lab.network.addAddress('server', SECOND_ADDRESS);
    await lab.network.must('client', ['ip', 'route', 'add', BEHIND, 'via', SERVER4]);
  });

  for (const [what, target] of [
    ['one address of several', SECOND_ADDRESS],
    ["an address that is not the host's own", BEHIND],
  ] as const) {
    it(`${what}`, async () => {
      const file = join(await lab.folder(), 'opened');
      const common = { sequence: SEQUENCE.join(','), tcpflags: 'syn' };
      await lab.postern(
        section('target', { ...common, target, start_command: `echo target >> ${file}` }) +
          section('any', { ...common, start_command: `echo any >> ${file}` }),
      );
      await lab.knock(SERVER4, SEQUENCE);
      await eventually('the door without a target opens', async () =>
        (await linesOf(file)).includes('any'),
      );
      assert.deepEqual(await linesOf(file), ['any']);
      await lab.knock(target, SEQUENCE);
      await eventually('the target opens', async () => (await linesOf(file)).includes('target'));
      const own = target === SECOND_ADDRESS;
      await eventually(
        'as many as concerned',
        async () => (await linesOf(file)).length === (own ? 3 : 2),
      );
    });
  }
});
