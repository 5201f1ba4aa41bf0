/**
 * T3 with a real scanner: every port, twice back to back within the time of a sequence. And the short
 * form of what `npm run bench -- scans` does, with other packets than SYN too.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { scan } from '../../bench/lib/scan-run.js';
import { plansOf } from '../../bench/scenarios/scans.js';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';
import { run } from '../support/run.js';

const DOORS = {
  rising: '7000,19000,31000',
  falling: '31001,19001,7001',
  mixed: '7002,31002,19002',
  consecutive: '8000,8001,8002',
} as const;
const KNOCKED = { sequence: '9000,9100,9200' };

describe('a scan of all ports with nmap', () => {
  const lab = useLab();
  before(async function () {
    if ((await run(['nmap', '--version']).catch(() => ({ code: 1 }))).code !== 0) this.skip();
  });

  it('opens no door, and the next knock from there opens once the scan is over', async function () {
    this.timeout(60_000);
    const file = join(await lab.folder(), 'opened');
    const door = (name: string, sequence: string, seq_timeout: string) =>
      section(name, {
        ...{ sequence, seq_timeout, tcpflags: 'syn' },
        start_command: `echo ${name} >> ${file}`,
      });
    const scanned = Object.entries(DOORS).map(([name, sequence]) => door(name, sequence, '15'));
    await lab.postern([...scanned, door('knocked', KNOCKED.sequence, '1')].join('\n'));
    const scan = ['nmap', '-sS', '-Pn', '-n', '-p-', '--min-rate', '30000', '--max-retries', '0'];
    for (const order of [['-r'], []]) {
      const said = await lab.network.must('client', [...scan, '-T5', ...order, SERVER4]);
      assert.match(said, /scanned in/);
    }
    assert.deepEqual(await linesOf(file), []);
    // The door shows that the scans were seen, and that what they spoiled is over with its time.
    await eventually(
      `${CLIENT4} opens the door that it knocks on`,
      async () => {
        await lab.knock(SERVER4, KNOCKED.sequence.split(','));
        return (await linesOf(file)).includes('knocked');
      },
      { withinMs: 20_000, everyMs: 1200 },
    );
    assert.deepEqual([...new Set(await linesOf(file))], ['knocked']);
  });
});

describe('scans of all ports from a raw socket', () => {
  const lab = useLab();
  const seed = Math.floor(Math.random() * 2 ** 31);

  for (const plan of plansOf(true, seed)) {
    const kinds = [...new Set(plan.scans.map(({ probe }) => probe))].join(' and ');
    it(`open no door with ${kinds}, and everyone else's open (seed ${seed})`, async function () {
      this.timeout(40_000);
      const figures = await scan(lab.network, await lab.folder(), plan);
      const told = JSON.stringify(figures);
      assert.equal(figures.opened, 0, told);
      assert.equal(figures.honestOpened, figures.honest, told);
      // The scans were seen: how much a busy machine loses is for the bench to tell.
      assert.ok((figures.lostShare ?? 1) < 0.5, told);
    });
  }
});
