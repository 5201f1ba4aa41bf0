import assert from 'node:assert/strict';
import { join } from 'node:path';
import { recordTo, section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const START = `start ${CLIENT4}`;
const STOP = `stop ${CLIENT4}`;

describe('the end of postern (G6)', () => {
  const lab = useLab();
  let file: string;
  let folder: string;
  beforeEach(async () => {
    folder = await lab.folder();
    file = join(folder, 'log');
  });

  const conf = (more = {}, options = '') =>
    options +
    section('door', { sequence: SEQUENCE.join(','), tcpflags: 'syn', ...recordTo(file), ...more });
  const logged = (count: number, withinMs = 3000) =>
    eventually(`${count} lines`, async () => (await linesOf(file)).length === count, { withinMs });

  it('SIGTERM ends it within 2 s and leaves the grant open; the next start closes it in time', async () => {
    const text = conf({ cmd_timeout: 4 });
    const first = await lab.postern({ conf: text, folder });
    await lab.knock(SERVER4, SEQUENCE);
    await logged(1);
    const opened = Date.now();
    assert.ok((await first.stop('SIGTERM', { keep: true })) < 2000);
    assert.deepEqual(await linesOf(file), [START]);
    const second = await lab.postern({ conf: text, folder });
    const [grant] = (await second.status()).grants;
    assert.equal(grant?.source, CLIENT4);
    assert.deepEqual(await linesOf(file), [START]);
    await logged(2, 6000);
    assert.ok(Math.abs(Date.now() - opened - 4000) < 2000, 'closed at its deadline');
    assert.deepEqual(await linesOf(file), [START, STOP]);
  });

  it('a grant whose deadline passed while postern was away is closed at the start', async () => {
    const text = conf({ cmd_timeout: 1 });
    const first = await lab.postern({ conf: text, folder });
    await lab.knock(SERVER4, SEQUENCE);
    await logged(1);
    await first.kill();
    const away = Date.now();
    await eventually('past the deadline', () => Date.now() > away + 1500);
    assert.deepEqual(await linesOf(file), [START]);
    await lab.postern({ conf: text, folder });
    await logged(2);
    assert.deepEqual(await linesOf(file), [START, STOP]);
  });

  it('close_on_exit = yes closes every grant before the exit', async () => {
    const options = '[options]\n\tclose_on_exit = yes\n';
    const postern = await lab.postern(conf({ cmd_timeout: 60 }, options));
    await lab.knock(SERVER4, SEQUENCE);
    await logged(1);
    assert.ok((await postern.stop()) < 2000);
    assert.deepEqual(await linesOf(file), [START, STOP]);
  });

  it('Ctrl-C, which a terminal sends to the whole group, ends it as SIGTERM does', async () => {
    const postern = await lab.postern({ conf: conf({ cmd_timeout: 60 }), ownGroup: true });
    await lab.knock(SERVER4, SEQUENCE);
    await logged(1);
    assert.ok((await postern.stop('SIGINT', { group: true })) < 2000);
    assert.doesNotMatch(postern.logs, /^\s+at /m);
    assert.doesNotMatch(postern.logs, /redis/i, 'its Redis did not hear the signal');
    assert.deepEqual(await linesOf(file), [START]);
  });

  it('a start command that is still running does not hold it up', async () => {
    const postern = await lab.postern(
      conf({ start_command: `echo start %IP% >> ${file}; exec sleep 5`, cmd_timeout: 5 }),
    );
    await lab.knock(SERVER4, SEQUENCE);
    await logged(1);
    assert.ok((await postern.stop()) < 2000);
  });

  it('kill -9 leaves no Redis and no sensor behind', async () => {
    const postern = await lab.postern(conf());
    await postern.kill();
  });
});
