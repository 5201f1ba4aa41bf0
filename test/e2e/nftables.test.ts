import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { SERVICE, useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4, SERVER6 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];
const OPTIONS = '[options]\n\tnft_guard = yes\n';
/** Seconds that a door is open, long enough for a slow machine to see it. */
const OPEN = 2;

describe('a door with `allow`, under the guard', () => {
  const lab = useLab({ clientAddresses: ['192.0.2.9'] });
  let folder: string;
  beforeEach(async () => {
    folder = await lab.folder();
  });

  const conf = (more: Readonly<Record<string, string | number>> = {}) =>
    OPTIONS +
    section('ssh', {
      sequence: SEQUENCE.join(','),
      tcpflags: 'syn',
      allow: `${SERVICE}/tcp`,
      cmd_timeout: OPEN,
      ...more,
    });
  const elements = async () => {
    const sets = await lab.network.must('server', ['nft', 'list', 'table', 'inet', 'postern']);
    return sets.match(/expires/g)?.length ?? 0;
  };
  const reachesFrom = async (source: string) => {
    const script = `const s = require('net').connect({ host: '${SERVER4}', port: ${SERVICE},
      localAddress: '${source}' }, () => process.exit(0));
      s.on('error', () => process.exit(1)); setTimeout(() => process.exit(1), 300);`;
    return (await lab.network.exec('client', [process.execPath, '-e', script])).code === 0;
  };

  for (const [name, server] of [
    ['IPv4', SERVER4],
    ['IPv6', SERVER6],
  ] as const) {
    it(`is shut, opens for its source alone, and is shut again on time, over ${name}`, async () => {
      const postern = await lab.postern(conf());
      assert.equal(await lab.reaches(server), false, 'shut by the guard');
      await lab.knock(server, SEQUENCE);
      await lab.opens(server);
      if (server === SERVER4) assert.equal(await reachesFrom('192.0.2.9'), false);
      await lab.shuts(server, (OPEN + 3) * 1000);
      assert.equal(await elements(), 0);
      const events = await postern.events();
      const types = ['Completed', 'Opening', 'Opened', 'Closing', 'Closed'];
      const seen = events.filter(({ grant, type }) => grant ?? type === 'Completed');
      assert.deepEqual(
        seen.map(({ type }) => type),
        types,
      );
      assert.equal(seen[3]?.cause, 'deadline', 'closed by postern, before the kernel would');
      const openMs = (seen[3]?.atMs ?? 0) - (seen[2]?.atMs ?? 0);
      assert.ok(Math.abs(openMs - OPEN * 1000) < 250, `open for ${openMs} ms`);
    });
  }

  it('stays open longer when knocked again (G2)', async () => {
    const postern = await lab.postern(conf());
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    await eventually('a second is left', async () => {
      const [grant] = (await postern.status()).grants;
      return (grant?.leftSeconds ?? OPEN) < 1.5;
    });
    await lab.knock(SERVER4, SEQUENCE);
    await lab.shuts(SERVER4, (OPEN + 4) * 1000);
    const events = await postern.events();
    const at = (type: string) => events.find((event) => event.type === type)?.atMs ?? 0;
    const longerMs = at('Closing') - at('Extended');
    assert.ok(Math.abs(longerMs - OPEN * 1000) < 250, `${longerMs} ms from the second knock on`);
    const shutMs = Date.now() - at('Closing');
    assert.ok(shutMs < 1000, `seen shut ${shutMs} ms after the close: it was open until then`);
  });

  it('with a start command is open at once, and its time counts from the end of the command (G1)', async () => {
    const file = join(folder, 'log');
    const postern = await lab.postern(
      conf({
        start_command: `echo begun >> ${file}; sleep 1; echo done >> ${file}`,
        stop_command: `echo stopped >> ${file}`,
      }),
    );
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    assert.deepEqual(await linesOf(file), ['begun'], 'open while the command runs');
    await lab.shuts(SERVER4, (OPEN + 5) * 1000);
    await eventually('stopped', async () => (await linesOf(file)).at(-1) === 'stopped');
    const events = await postern.events();
    const outcomes = events.filter(({ type }) => type === 'Opened' || type === 'Closed');
    assert.deepEqual(outcomes.map(({ type, sink }) => `${type} ${sink}`).sort(), [
      'Closed exec',
      'Closed nftables',
      'Opened exec',
      'Opened nftables',
    ]);
    const at = (wanted: string) => events.find(({ type }) => type === wanted)?.atMs ?? 0;
    const openMs = at('Closing') - at('Opening') - 1000;
    assert.ok(Math.abs(openMs - OPEN * 1000) < 400, `${openMs} ms after the command`);
  });

  it('keeps its time through a restart, and what is stale is gone (T15)', async () => {
    const text = conf({ cmd_timeout: 6 });
    const first = await lab.postern({ conf: text, folder });
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    const opened = (await first.events()).find(({ type }) => type === 'Opened')?.atMs ?? 0;
    await first.kill();
    const stale = `add element inet postern allow4 { 192.0.2.9 . tcp . ${SERVICE} timeout 1h }`;
    await lab.network.must('server', ['nft', stale]);
    assert.equal(await reachesFrom('192.0.2.9'), true);
    const second = await lab.postern({ conf: text, folder });
    assert.equal(await reachesFrom('192.0.2.9'), false, 'what no grant holds is gone');
    assert.equal(await lab.reaches(SERVER4), true, 'still open');
    assert.equal((await second.status()).grants[0]?.source, CLIENT4);
    await lab.shuts(SERVER4, 9000);
    const closing = (await second.events()).find(({ type }) => type === 'Closing');
    assert.ok(Math.abs((closing?.atMs ?? 0) - opened - 6000) < 300, 'at its deadline');
  });

  it('that a reload removed is closed on time all the same, and its guard goes at once (G7)', async () => {
    const postern = await lab.postern(conf());
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    const rest = section('other', { sequence: '7100,9100,8100', start_command: 'true' });
    await postern.reload(OPTIONS + rest, /configuration reloaded/);
    assert.equal(await reachesFrom('192.0.2.9'), true, 'nothing guards the port any more');
    await eventually('closed', async () => (await postern.status()).grants.length === 0, {
      withinMs: (OPEN + 3) * 1000,
    });
    assert.equal(await elements(), 0);
  });

  it('that a restart finds gone from the configuration is closed too (G7)', async () => {
    const first = await lab.postern({ conf: conf({ cmd_timeout: 1 }), folder });
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    await first.kill();
    const rest = section('other', { sequence: '7100,9100,8100', start_command: 'true' });
    const second = await lab.postern({ conf: OPTIONS + rest, folder });
    await eventually('closed', async () => {
      const types = (await second.events()).map(({ type }) => type);
      return types.includes('Closed') && !types.includes('CloseFailed');
    });
  });
});
