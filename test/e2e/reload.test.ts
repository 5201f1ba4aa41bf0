import assert from 'node:assert/strict';
import { join } from 'node:path';
import { recordTo, section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';

const FIRST = ['7000', '9000', '8000'];
const SECOND = ['7500:udp', '9500', '8500'];

describe('SIGHUP reloads the configuration (G7)', () => {
  const lab = useLab();
  let file: string;
  beforeEach(async () => {
    file = join(await lab.folder(), 'log');
  });

  const door = (name: string, sequence: readonly string[], more = {}) =>
    section(name, { sequence: sequence.join(','), tcpflags: 'syn', ...more });
  const says = (line: string) =>
    eventually(line, async () => (await linesOf(file)).includes(line), { withinMs: 6000 });

  it('a good file: new doors open, and an attempt at an unchanged one goes on', async () => {
    const unchanged = door('first', FIRST, { start_command: `echo first >> ${file}` });
    const postern = await lab.postern(unchanged);
    await lab.knock(SERVER4, FIRST.slice(0, 2));
    const added = door('second', SECOND, { start_command: `echo second >> ${file}` });
    await postern.reload(`${unchanged}\n${added}`, /reloaded/i);
    await lab.knock(SERVER4, FIRST.slice(2));
    await says('first');
    await lab.knock(SERVER4, SECOND);
    await says('second');
    await postern.stop();
  });

  it('a broken file: the running configuration stays, and the log says why', async () => {
    const good = door('first', FIRST, { start_command: `echo first >> ${file}` });
    const postern = await lab.postern(good);
    await postern.reload(`${good}\n[second]\n\tsequense = 1,2,3\n`, /sequense/i);
    assert.ok(postern.program.running);
    await lab.knock(SERVER4, FIRST);
    await says('first');
  });

  it('a grant of a removed door is still closed, by the command it was opened under', async () => {
    const postern = await lab.postern(door('first', FIRST, { cmd_timeout: 3, ...recordTo(file) }));
    await lab.knock(SERVER4, FIRST);
    await says(`start ${CLIENT4}`);
    await postern.reload(
      door('second', SECOND, { start_command: 'true', stop_command: `echo wrong >> ${file}` }),
      /reloaded/i,
    );
    await says(`stop ${CLIENT4}`);
    assert.deepEqual(await linesOf(file), [`start ${CLIENT4}`, `stop ${CLIENT4}`]);
    await postern.stop();
  });
});
