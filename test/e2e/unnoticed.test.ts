/** T17: whoever looks at the host from outside sees no difference between postern and nothing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { send } from '../capture/traffic.js';
import { framesOf } from '../differential/frames.js';
import { section } from '../support/conf.js';
import { LISTENING, node } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { SERVICE, useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6, type Side } from '../support/netns.js';
import { Program } from '../support/program.js';
import { type Ends, type Knock, knockFrames, normalised, probes } from './probes.js';

const KNOCKER4 = '192.0.2.3';
const KNOCKER6 = 'fd00:db8::3';
const FUMBLER = '192.0.2.4';
const HASTY = '192.0.2.5';
const OTHERS = [KNOCKER4, KNOCKER6, FUMBLER, HASTY];

const FIRST: Knock = { port: 18_273, protocol: 'tcp' };
const SECOND: Knock = { port: 9146, protocol: 'udp' };
const THIRD: Knock = { port: 31_544, protocol: 'tcp' };
const SEQUENCE = [FIRST, SECOND, THIRD];
/** Closed, open, and in a sequence. */
const PORTS = [7, SERVICE, FIRST.port, SECOND.port];
/** More than `max_attempts_per_minute`. */
const MANY = 70;
/** Longer than the kernel keeps a lone fragment here. */
const QUIET_MS = 1500;

describe('being noticed (T17)', () => {
  const lab = useLab({ clientAddresses: OTHERS });
  let ends: Ends = { scanner: '', host: '' };
  let names = '';

  before(async () => {
    const { network } = lab;
    ends = { scanner: await hardwareOf('client'), host: await hardwareOf('server') };
    await knowNeighbours();
    await sayLess();
    // Where `ip netns exec` finds this host's resolver: on the wire, where a question is seen.
    names = join('/etc/netns', network.namespaces.server);
    await mkdir(names, { recursive: true });
    await writeFile(join(names, 'resolv.conf'), `nameserver ${CLIENT4}\noptions attempts:1\n`);
    await quiet();
  });
  after(async () => {
    if (names !== '') await rm(names, { recursive: true });
    // Others may have theirs there.
    await rmdir('/etc/netns').catch(() => undefined);
  });

  const read = async (side: Side, file: string) =>
    (await lab.network.must(side, ['cat', file])).trim();
  const device = (side: Side) => `/sys/class/net/${lab.network.interfaces[side]}`;
  const hardwareOf = (side: Side) => read(side, `${device(side)}/address`);

  /** Neither kernel asks for the other's hardware address, which it does at times of its own. */
  async function knowNeighbours(): Promise<void> {
    const { interfaces, must } = lab.network;
    const know = async (side: Side, address: string, hardware: string) => {
      const to = [address, 'lladdr', hardware, 'dev', interfaces[side], 'nud', 'permanent'];
      await must(side, ['ip', 'neigh', 'replace', ...to]);
    };
    for (const address of [CLIENT4, CLIENT6, ...OTHERS])
      await know('server', address, ends.scanner);
    for (const address of [SERVER4, SERVER6]) await know('client', address, ends.host);
  }

  /** No routers are looked for, every error is told, lone fragments are given up within a second. */
  async function sayLess(): Promise<void> {
    const keys = [
      `net.ipv6.conf.${lab.network.interfaces.server}.router_solicitations=0`,
      ...['net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0'],
      ...['net.ipv4.ipfrag_time=1', 'net.ipv6.ip6frag_time=1'],
    ];
    await lab.network.must('server', ['sysctl', '-qw', ...keys]);
  }

  /** Waits until the server has sent nothing for a while. */
  async function quiet(): Promise<void> {
    const sent = () => read('server', `${device('server')}/statistics/tx_packets`);
    let before = '';
    const isQuiet = async () => {
      const now = await sent();
      if (now === before) return true;
      before = now;
      return false;
    };
    await eventually('quiet', isQuiet, { everyMs: QUIET_MS, withinMs: 30_000 });
  }

  /** All that comes to the client's end of the wire while something happens, normalised. */
  async function watched(happens: () => Promise<void>): Promise<string[]> {
    const file = join(await lab.folder(), 'client.pcap');
    const argv = ['tcpdump', '-n', '-i', lab.network.interfaces.client, '-Q', 'in', '-Z', 'root'];
    argv.push('-B', '16384', '--immediate-mode', '-U', '-w', file);
    const tcpdump = new Program(lab.network.spawn('client', argv));
    try {
      await tcpdump.waitFor(/listening/);
      await happens();
      await quiet();
      await tcpdump.end('SIGINT');
      assert.match(tcpdump.logs, /^0 packets dropped by kernel/m);
    } finally {
      await tcpdump.dispose();
    }
    return framesOf(readFileSync(file))
      .map(({ bytes }) => normalised(bytes))
      .sort();
  }

  const put = (frames: readonly string[]) =>
    send(lab.network, { address: SERVER4, frames, interface: lab.network.interfaces.client });

  /** The whole repertoire of a scanner, with knocks that fail and two that do not. */
  async function scan(): Promise<void> {
    await put(probes(ends, PORTS));
    await put(knockFrames(ends, FUMBLER, [FIRST, THIRD, SECOND, FIRST]));
    await put(knockFrames(ends, HASTY, Array<Knock>(MANY).fill(FIRST)));
    for (const source of [KNOCKER4, KNOCKER6]) await put(knockFrames(ends, source, SEQUENCE));
  }

  function doorTo(opened: string): string {
    const sequence = SEQUENCE.map(({ port, protocol }) => `${port}:${protocol}`).join(',');
    const start_command = `echo %IP% >> ${opened}`;
    return section('quiet', { sequence, tcpflags: 'syn', seq_timeout: 10, start_command });
  }

  it('a scanner gets the same replies as without postern, and nothing besides', async function () {
    this.timeout(60_000);
    const without = await watched(scan);
    const opened = join(await lab.folder(), 'opened');
    const withPostern = await watched(async () => {
      const postern = await lab.postern({ conf: doorTo(opened), args: ['--debug'] });
      await scan();
      await eventually('opened', async () => (await linesOf(opened)).length === 2);
      assert.match(postern.logs, /ignored for a minute/);
      await postern.stop();
    });
    assert.deepEqual(await linesOf(opened), [KNOCKER4, KNOCKER6]);
    for (const [what, bytes] of Object.entries(KINDS)) {
      assert.ok(
        without.some((frame) => bytes.test(frame)),
        `no ${what} among the replies`,
      );
    }
    assert.deepEqual(difference(withPostern, without), { more: [], fewer: [] });
  });

  it('no name is asked for while a source knocks: with -l, only once a door is open', async function () {
    this.timeout(60_000);
    const folder = await lab.folder();
    const [opened, log] = [join(folder, 'opened'), join(folder, 'log')];
    const conf = join(folder, 'knockd.conf');
    await lab.write(conf, `[options]\n\tstate_dir = ${folder}/state\n${doorTo(opened)}`);
    const flags = ['-l', '-v', '-g', log, '-i', lab.network.interfaces.server];
    const knockd = lab.program(node('knockd', '-c', conf, ...flags));
    await knockd.waitFor(LISTENING);
    const logged = (text: string) =>
      eventually(text, async () => (await linesOf(log)).join('\n').includes(text));
    const before = await watched(async () => {
      await put(knockFrames(ends, FUMBLER, [FIRST, SECOND]));
      await logged(`${FUMBLER}: quiet: Stage 2`);
    });
    assert.deepEqual(questionsIn(before), []);
    // That one is seen when it is asked shows what the watch is worth.
    const after = await watched(async () => {
      await put(knockFrames(ends, KNOCKER4, SEQUENCE));
      await logged('OPEN SESAME');
    });
    assert.ok(questionsIn(after).length > 0, 'a question is seen');
    await knockd.end();
  });
});

/** Replies that there must be, or a comparison is worth nothing: what an Ethernet frame holds. */
const KINDS = {
  'ARP reply': /^.{24}0806.{12}0002/,
  'SYN/ACK': /^.{24}0800.{18}06.{46}12/,
  'RST by IPv4': /^.{24}0800.{18}06.{46}14/,
  'RST by IPv6': /^.{24}86dd.{12}06.{92}14/,
  'echo reply': /^.{24}0800.{18}01.{20}00/,
  'echo reply by IPv6': /^.{24}86dd.{12}3a.{66}81/,
  'neighbor advertisement': /^.{24}86dd.{12}3a.{66}88/,
  'port unreachable': /^.{24}0800.{18}01.{20}0303/,
  'port unreachable by IPv6': /^.{24}86dd.{12}3a.{66}0104/,
  'fragment given up': /^.{24}0800.{18}01.{20}0b01/,
} as const;

/** What was sent to UDP port 53, by IPv4. */
function questionsIn(frames: readonly string[]): string[] {
  return frames.filter((frame) => /^.{24}0800.{18}11.{24}0035/.test(frame));
}

/** Frames of one list that are not in the other, each as often as it is missing there. */
function difference(now: readonly string[], before: readonly string[]) {
  const without = (all: readonly string[], others: readonly string[]) => {
    const left = [...others];
    return all.filter((frame) => {
      const at = left.indexOf(frame);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
  };
  return { more: without(now, before), fewer: without(before, now) };
}
