import { strict as assert } from 'node:assert';
import { IPTABLES, section } from '../support/conf.js';
import { dropByDefault } from '../support/firewall.js';
import { useLab } from '../support/lab.js';
import { SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const IGNORED = /ignored for a minute/;

describe('a source that begins too many attempts (M12)', () => {
  const lab = useLab();
  beforeEach(() => dropByDefault(lab.network));

  const conf = (limit: number) =>
    section('options', { max_attempts_per_minute: limit }) +
    section('ssh', { sequence: SEQUENCE.join(','), tcpflags: 'syn', cmd_timeout: 60, ...IPTABLES });

  it('is ignored, others are not, and a reload with another limit lets it in', async () => {
    const postern = await lab.postern(conf(4));
    await lab.knock(SERVER4, Array<string>(12).fill('7000'));
    await postern.program.waitFor(IGNORED);
    await lab.knock(SERVER4, SEQUENCE);
    // The other source is heard after the first one's knock was.
    await lab.knock(SERVER6, SEQUENCE);
    await lab.opens(SERVER6);
    assert.equal(await lab.reaches(SERVER4), false);
    const { stdout } = await postern.ask('status');
    assert.match(stdout, /^ignored +1 for too many attempts$/m);
    await postern.reload(conf(0), /configuration reloaded/);
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    assert.equal(postern.logs.split('\n').filter((line) => IGNORED.test(line)).length, 1);
    for (const port of SEQUENCE) assert.ok(!postern.logs.includes(port));
  });
});
