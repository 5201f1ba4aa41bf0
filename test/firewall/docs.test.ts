import assert from 'node:assert/strict';
import type { Configuration } from '../../config/types.js';
import { createNftables, type Nftables } from '../../sinks/nftables/nftables.js';
import { systemClock } from '../../src/clock.js';
import { firewallAdvice } from '../../src/firewall/index.js';
import { parseRuleset } from '../../src/firewall/ruleset.js';
import { silentLog } from '../../src/log/types.js';
import { loads } from '../config/support/parsed.js';
import { blocks, page } from '../docs/pages.js';
import { useLab } from '../support/lab.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';
import { Program } from '../support/program.js';

const PAGE = 'docs/firewall.md';
const TCP = 22;
const UDP = 60_001;

/** A service on the page's ports that sends back what it is sent, TCP and UDP. */
const SERVICE = `
  const udp = require('dgram').createSocket('udp6');
  udp.on('message', (text, from) => udp.send(text, from.port, from.address)).bind(${UDP}, '::');
  require('net').createServer((s) => s.on('error', () => {}).pipe(s))
    .listen(${TCP}, '::', () => console.log('up'));`;

/** Sends a datagram and ends with 0 if it comes back. */
const ASK = (host: string) => `
  const udp = require('dgram').createSocket('${host.includes(':') ? 'udp6' : 'udp4'}');
  udp.on('message', () => process.exit(0)).send('x', ${UDP}, '${host}');
  setTimeout(() => process.exit(1), 300);`;

/** A session that is told when to say something: it answers with what came back, or "gone". */
const SESSION = (host: string) => `
  const socket = require('net').connect(${TCP}, '${host}', () => console.log('up'));
  socket.on('data', (text) => console.log(String(text)));
  process.on('SIGUSR1', () => socket.write('still here'));`;

describe('docs/firewall.md', function () {
  this.timeout(60_000);
  const lab = useLab();
  let firewall: Nftables | undefined;

  before(async () => {
    const service = lab.network.spawn('server', [process.execPath, '-e', SERVICE]);
    await new Program(service).waitFor(/up/);
  });
  afterEach(async () => {
    await firewall?.stop();
    firewall = undefined;
  });

  const connects = (host: string) => lab.network.connects('client', host, TCP);
  const isAnswered = async (host: string) =>
    (await lab.network.exec('client', [process.execPath, '-e', ASK(host)])).code === 0;

  /** Which of the page's ports can be reached. */
  async function reached(): Promise<readonly string[]> {
    const asked = [SERVER4, SERVER6].flatMap((host) => [
      connects(host).then((yes) => (yes ? [`tcp ${host}`] : [])),
      isAnswered(host).then((yes) => (yes ? [`udp ${host}`] : [])),
    ]);
    return (await Promise.all(asked)).flat();
  }
  const ALL = [SERVER4, SERVER6].flatMap((host) => [`tcp ${host}`, `udp ${host}`]);

  /** Loads a ruleset of the page, then starts the firewall's part of postern beside it. */
  async function load(ruleset: string, configuration: Configuration): Promise<Nftables> {
    await lab.network.must('server', ['nft', '-f', '-'], { input: ruleset });
    const { nftTable: table, nftGuard: guard } = configuration.options;
    const { server } = lab.network.namespaces;
    firewall = createNftables({
      table,
      guard,
      doors: configuration.doors,
      log: silentLog,
      clock: systemClock,
      command: ['ip', 'netns', 'exec', server, 'nft'],
    });
    await firewall.start();
    return firewall;
  }

  /** Opens the page's door for both addresses of the client, or closes it. */
  async function turn(
    what: 'open' | 'close',
    nftables: Nftables,
    { doors: [door] }: Configuration,
  ): Promise<void> {
    for (const source of [CLIENT4, CLIENT6]) {
      const sink = door && nftables.sink(door, source === CLIENT4 ? 4 : 6);
      const grant = {
        id: source,
        door: 'ssh',
        source,
        host: 'here',
        untilMs: null,
        leftMs: 60_000,
      };
      await sink?.[what]?.(grant, AbortSignal.timeout(5000));
    }
  }

  async function advised(configuration: Configuration): Promise<readonly string[]> {
    const list = (...flags: string[]) =>
      lab.network.must('server', ['nft', ...flags, 'list', 'ruleset']);
    const ruleset = parseRuleset(await list('-j'), await list('-a', '-t'));
    return firewallAdvice(configuration, ruleset).map(({ message }) => message);
  }

  /** The page's configuration, for its ruleset with a table of one's own turned to that way. */
  async function configurationFor(ruleset: string): Promise<Configuration> {
    const [conf = ''] = blocks(await page(PAGE), 'ini');
    assert.match(conf, /nft_guard = yes/);
    const own = !ruleset.includes('chain guard') && ruleset.includes('@allow4');
    return loads(own ? conf.replace('nft_guard = yes', 'nft_table = inet filter') : conf);
  }

  it('has three rulesets: for the guard, with the guard, and a table of one’s own', async () => {
    assert.equal(blocks(await page(PAGE), 'nft').length, 3);
  });

  for (const [index, name] of ['for the guard', 'with the guard', 'of one’s own'].entries()) {
    it(`the ruleset ${name} keeps shut, and lets in who knocked, until the close`, async () => {
      const ruleset = blocks(await page(PAGE), 'nft')[index] ?? '';
      const configuration = await configurationFor(ruleset);
      const nftables = await load(ruleset, configuration);
      assert.deepEqual(await advised(configuration), []);
      assert.deepEqual(await reached(), []);
      await turn('open', nftables, configuration);
      assert.deepEqual([...(await reached())].sort(), [...ALL].sort());
      await turn('close', nftables, configuration);
      assert.deepEqual(await reached(), []);
    });

    it(`under the ruleset ${name} a session outlives the close`, async () => {
      const ruleset = blocks(await page(PAGE), 'nft')[index] ?? '';
      const configuration = await configurationFor(ruleset);
      const nftables = await load(ruleset, configuration);
      await turn('open', nftables, configuration);
      const argv = [process.execPath, '-e', SESSION(SERVER4)];
      const session = new Program(lab.network.spawn('client', argv));
      await session.waitFor(/up/);
      await turn('close', nftables, configuration);
      assert.equal(await connects(SERVER4), false);
      session.child.kill('SIGUSR1');
      await session.waitFor(/still here/);
      await session.dispose();
    });
  }

  it('the ruleset with the guard is shut before postern has started', async () => {
    const [, ruleset = ''] = blocks(await page(PAGE), 'nft');
    await lab.network.must('server', ['nft', '-f', '-'], { input: ruleset });
    assert.deepEqual(await reached(), []);
  });

  it('says truly that iptables takes a rule with the set for one that accepts everything', async () => {
    const nft = `flush ruleset
      table ip filter {
        set allow4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
        chain INPUT { type filter hook input priority 0; policy drop;
          ip saddr . meta l4proto . th dport @allow4 accept
        }
      }`.replaceAll('; }', ';\n}');
    await lab.network.must('server', ['nft', '-f', '-'], { input: nft });
    const saved = await lab.network.must('server', ['iptables-save']);
    assert.match(saved, /^-A INPUT -j ACCEPT$/m);
  });
});
