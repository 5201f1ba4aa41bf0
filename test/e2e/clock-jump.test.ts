import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { faketime, setClock, wallClockFrom } from '../support/faketime.js';
import { SERVICE, useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const OPEN_MS = 2000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('the wall clock is set while a door is open (T13)', () => {
  const lab = useLab();
  let folder: string;
  let offset: string;
  let library: string;
  before(async () => {
    library = await faketime();
  });
  beforeEach(async () => {
    folder = await lab.folder();
    offset = join(folder, 'offset');
    await setClock(offset, 0);
  });

  const env = () => wallClockFrom(offset, library);

  for (const [name, before, after] of [
    ['an hour forward', 0, HOUR_MS],
    ['an hour back', HOUR_MS, 0],
    ['a day forward', 0, DAY_MS],
    ['a day back', DAY_MS, 0],
  ] as const) {
    it(`${name}: a command and an element of the firewall end on time all the same`, async () => {
      await setClock(offset, before);
      const times = join(folder, 'times');
      const conf =
        '[options]\n\tnft_guard = yes\n' +
        section('door', {
          sequence: SEQUENCE.join(','),
          tcpflags: 'syn',
          allow: `${SERVICE}/tcp`,
          start_command: `date +%s%3N >> ${times}`,
          stop_command: `date +%s%3N >> ${times}`,
          cmd_timeout: OPEN_MS / 1000,
        });
      const postern = await lab.postern({ conf, env: env() });
      await lab.knock(SERVER4, SEQUENCE);
      await eventually('opened', async () => (await linesOf(times)).length === 1);
      await lab.opens(SERVER4);
      await setClock(offset, after);
      await eventually('closed', async () => (await linesOf(times)).length === 2, {
        withinMs: 6000,
      });
      await lab.shuts(SERVER4, 2000);
      const [opened = 0, closed = 0] = (await linesOf(times)).map(Number);
      const errorMs = closed - opened - OPEN_MS;
      assert.ok(Math.abs(errorMs) < 1000, `${errorMs} ms off`);
      const events = await postern.events();
      const at = (type: string) => events.find((event) => event.type === type)?.atMs ?? 0;
      const seenMs = at('Closing') - at('Opened');
      const jumpedMs = after - before;
      assert.ok(Math.abs(seenMs - jumpedMs - OPEN_MS) < 2000, 'postern did see the clock jump');
      assert.match(postern.logs, /the wall clock was set/);
    });
  }

  it('a knock after the jump has its time too', async () => {
    const times = join(folder, 'times');
    const date = `date +%s%3N >> ${times}`;
    const directives = { start_command: date, stop_command: date, cmd_timeout: 1 };
    const conf = section('door', { sequence: SEQUENCE.join(','), ...directives });
    await lab.postern({ conf, env: env() });
    let lines = 0;
    for (const ms of [HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS]) {
      await setClock(offset, ms);
      await lab.knock(SERVER4, SEQUENCE);
      lines += 2;
      await eventually('open and closed', async () => (await linesOf(times)).length === lines, {
        withinMs: 5000,
      });
      const [opened = 0, closed = 0] = (await linesOf(times)).slice(-2).map(Number);
      assert.ok(Math.abs(closed - opened - 1000) < 1000, `open for ${closed - opened} ms`);
    }
  });
});
