import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { readCapture } from '../../src/replay/pcap.js';
import { createNetwork, type Network, SERVER4, SERVER6, type Side } from '../support/netns.js';
import { endProcess } from '../support/processes.js';
import { requireRoot } from '../support/root.js';

const KNOCK = fileURLToPath(new URL('../../src/cli/knock.js', import.meta.url));
/** Mixed, neither rising nor falling. */
const HITS = ['7003', '7001:udp', '7002', '7009', '7008:udp', '7007', '7001', '7005', '7003:udp'];

/** What arrived at the server, in order. */
interface Wire {
  readonly packets: readonly string[];
  /** Resolves when the condition holds; it is looked at after every packet. */
  until(done: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

describe('the knock client on the wire', function () {
  this.timeout(20_000);
  let network: Network;
  before(async function () {
    requireRoot(this);
    network = await createNetwork();
  });
  after(() => network?.dispose());

  const knock = (...argv: string[]) => network.exec('client', [process.execPath, KNOCK, ...argv]);
  const forgetNeighbours = () => network.must('client', ['ip', 'neigh', 'flush', 'all']);
  const sysctl = (side: Side, key: string, value: string) =>
    network.must(side, ['sysctl', '-qw', `${key}=${value}`]);

  for (const [family, host] of [
    ['IPv4', SERVER4],
    ['IPv6', SERVER6],
  ] as const) {
    it(`sends every hit once and in order, to a host not spoken to yet (${family})`, async () => {
      const wire = await watch(network);
      for (const delay of ['0', '20']) {
        await forgetNeighbours();
        const { code, stderr } = await knock('-d', delay, host, ...HITS);
        assert.equal(code, 0, stderr);
      }
      await wire.until(() => knocks(wire).length >= 2 * HITS.length);
      await wire.stop();
      assert.deepEqual(knocks(wire), [...HITS, ...HITS].map(asSeen));
    });
  }

  it('repeats no SYN in three seconds when the server drops them all', async () => {
    const rules = 'add table inet t; add chain inet t in { type filter hook input priority 0; }';
    const drop = 'add rule inet t in meta l4proto { tcp, udp } drop';
    await network.must('server', ['nft', `${rules}; ${drop}`]);
    const wire = await watch(network);
    await forgetNeighbours();
    for (const host of [SERVER4, SERVER6]) {
      const { code, stderr } = await knock(host, ...HITS);
      assert.equal(code, 0, stderr);
    }
    await wire.until(() => knocks(wire).length >= 2 * HITS.length);
    // The promise is about time that passes without a packet: there is no event to await.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await wire.stop();
    await network.must('server', ['nft', 'delete table inet t']);
    assert.deepEqual(knocks(wire), [...HITS, ...HITS].map(asSeen));
  });

  it('sends in order and exits 0 when the host is found late', async () => {
    await sysctl('client', `net.ipv4.neigh.${network.interfaces.client}.retrans_time_ms`, '400');
    const arp = (word: string) =>
      network.must('server', ['ip', 'link', 'set', network.interfaces.server, 'arp', word]);
    await arp('off');
    await forgetNeighbours();
    const wire = await watch(network);
    const done = knock(SERVER4, ...HITS);
    await wire.until(() => wire.packets.length > 0);
    assert.equal(wire.packets[0], 'arp');
    await arp('on');
    assert.equal((await done).code, 0);
    await wire.until(() => knocks(wire).length >= HITS.length);
    await wire.stop();
    assert.deepEqual(knocks(wire), HITS.map(asSeen));
  });

  it('exits 1 when nobody answers for the address', async () => {
    for (const family of ['ipv4', 'ipv6'])
      await sysctl(
        'client',
        `net.${family}.neigh.${network.interfaces.client}.retrans_time_ms`,
        '100',
      );
    for (const host of ['192.0.2.99', 'fd00:db8::99']) {
      const { code, stderr } = await knock(host, '7000', '7001:udp');
      assert.equal(code, 1);
      assert.match(stderr, /^knock: hit 1 of 2 was not handed to the network: .*EHOSTUNREACH/);
    }
  });

  it('exits 1 and names the first hit that has no way out', async () => {
    await network.must('client', ['ip', 'route', 'add', 'unreachable', '198.51.100.0/24']);
    for (const [host, hit, reason] of [
      ['203.0.113.9', '7000', /ENETUNREACH/],
      ['203.0.113.9', '7000:udp', /ENETUNREACH/],
      ['2001:db8::9', '7000', /ENETUNREACH/],
      ['2001:db8::9', '7000:udp', /ENETUNREACH/],
      ['198.51.100.9', '7000', /EHOSTUNREACH/],
    ] as const) {
      const { code, stderr } = await knock(host, hit, '7001');
      assert.equal(code, 1, `${host} ${hit}`);
      assert.match(stderr, /^knock: hit 1 of 2 /);
      assert.match(stderr, reason);
      assert.doesNotMatch(stderr, /700/, 'an error repeats no port');
    }
  });

  it('exits 1 and names the datagram that a local firewall refuses', async () => {
    const rules = 'add table inet t; add chain inet t out { type filter hook output priority 0; }';
    await network.must('client', ['nft', `${rules}; add rule inet t out udp dport 7001 drop`]);
    const { code, stderr } = await knock(SERVER4, '7000', '7001:udp', '7002');
    await network.must('client', ['nft', 'delete table inet t']);
    assert.equal(code, 1);
    assert.match(stderr, /^knock: hit 2 of 3 .*EPERM/);
  });

  it('takes a router that answers "prohibited" for a packet that was sent', async () => {
    const rules = 'add table ip t; add chain ip t in { type filter hook input priority 0; }';
    const rule = 'add rule ip t in meta l4proto { tcp, udp } reject with icmp type host-prohibited';
    await network.must('server', ['nft', `${rules}; ${rule}`]);
    const { code, stderr } = await knock('-d', '5', SERVER4, ...HITS);
    await network.must('server', ['nft', 'delete table ip t']);
    assert.equal(code, 0, stderr);
  });
});

const knocks = ({ packets }: Wire) => packets.filter((packet) => packet !== 'arp');

function asSeen(hit: string): string {
  const [port, protocol = 'tcp'] = hit.split(':');
  return protocol === 'tcp' ? `tcp ${port} SYN` : `udp ${port}`;
}

async function watch(network: Network): Promise<Wire> {
  const device = network.interfaces.server;
  const argv = ['tcpdump', '-i', device, '-Q', 'in', '--immediate-mode', '-U', '-w', '-'];
  const child = network.spawn('server', [...argv, 'arp or tcp or udp']);
  const { stdout, stderr } = child;
  assert.ok(stdout && stderr);
  const packets: string[] = [];
  const more = new EventEmitter();
  const reading = (async () => {
    for await (const { frame } of readCapture('-', { stdin: stdout })) {
      packets.push(describePacket(Buffer.from(frame)));
      more.emit('packet');
    }
  })();
  await once(stderr, 'data');
  return {
    packets,
    async until(done) {
      while (!done()) await once(more, 'packet');
    },
    async stop() {
      await endProcess(child);
      await reading;
    },
  };
}

/** `tcp 7000 SYN`, `tcp 7000 flags 4`, `udp 7000` or `arp`, from an Ethernet frame. */
function describePacket(frame: Buffer): string {
  const type = frame.readUInt16BE(12);
  if (type === 0x0806) return 'arp';
  const [protocol, payload] =
    type === 0x0800 ? [frame[23], 14 + (frame[14]! & 15) * 4] : [frame[20], 54];
  const port = frame.readUInt16BE(payload + 2);
  if (protocol === 17) return `udp ${port}`;
  const flags = frame[payload + 13];
  return flags === 2 ? `tcp ${port} SYN` : `tcp ${port} flags ${flags}`;
}
