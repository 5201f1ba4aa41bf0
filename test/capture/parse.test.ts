import assert from 'node:assert/strict';
import { linkTypeOf, newParsedFrame, parseFrame } from '../../src/capture/parse.js';
import { packetOf } from '../../src/capture/record.js';
import {
  authentication,
  extension,
  fragment,
  frameOf,
  ip4,
  ip6,
  LINK_NUMBERS,
  type Link,
  tcp,
  udp,
} from './frames.js';
import { oracle } from './oracle.js';
import { hostile, randomFrom, wellFormed } from './random.js';

const out = newParsedFrame();

/** What the parser tells, in the oracle's words. */
function told(link: Link, frame: Buffer): string {
  const verdict = parseFrame(link, frame, out);
  if (verdict !== 'packet') return verdict;
  const p = packetOf(out, 0, 0);
  const ends = `${p.source} > ${p.destination}`;
  return `${ends} ${p.protocol} ${p.sourcePort} ${p.port} ${p.flags} ${p.sequence}`;
}

function expected(link: Link, frame: Buffer): string {
  const { verdict, text } = oracle(link, frame);
  return text ?? verdict;
}

const SYN = tcp({ port: 7000, sequence: 0xdeadbeef });
const SYN_TEXT = '192.0.2.9 > 192.0.2.1 tcp 40000 7000 2 3735928559';
const SYN6_TEXT = 'fd00:db8::9 > fd00:db8::1 tcp 40000 7000 2 3735928559';

describe('the parser of frames', () => {
  for (const link of Object.keys(LINK_NUMBERS) as Link[]) {
    it(`reads IPv4 and IPv6 on ${link} links`, () => {
      assert.equal(linkTypeOf(LINK_NUMBERS[link]), link);
      assert.equal(told(link, frameOf(link, ip4(6, SYN))), SYN_TEXT);
      assert.equal(told(link, frameOf(link, ip6(6, SYN))), SYN6_TEXT);
      const datagram = frameOf(link, ip4(17, udp({ port: 53 })));
      assert.equal(told(link, datagram), '192.0.2.9 > 192.0.2.1 udp 40000 53 0 0');
    });
  }

  it('reads null links of either byte order and of every AF_INET6', () => {
    for (const family of [10, 24, 28, 30])
      for (const bytes of [
        [family, 0, 0, 0],
        [0, 0, 0, family],
      ])
        assert.equal(told('null', Buffer.from([...bytes, ...ip6(6, SYN)])), SYN6_TEXT);
    assert.equal(told('null', Buffer.from([0, 0, 0, 2, ...ip4(6, SYN)])), SYN_TEXT);
    assert.equal(told('null', Buffer.from([7, 0, 0, 0, ...ip4(6, SYN)])), 'ignored');
  });

  it('steps over VLAN, QinQ and older tags, four at most, and tells the outer id', () => {
    const tags = [
      [0x88a8, 100],
      [0x8100, 5],
      [0x9100, 6],
      [0x8100, 7],
    ] as const;
    for (const count of [1, 2, 3, 4]) {
      const frame = frameOf('ethernet', ip4(6, SYN), tags.slice(0, count));
      assert.equal(told('ethernet', frame), SYN_TEXT);
      assert.equal(out.vlan, 100);
    }
    const five = frameOf('ethernet', ip4(6, SYN), [...tags, [0x8100, 8]]);
    assert.equal(told('ethernet', five), 'malformed');
    assert.equal(told('ethernet', frameOf('ethernet', ip4(6, SYN))), SYN_TEXT);
    assert.equal(out.vlan, 0);
  });

  it('finds the ports behind IPv4 options', () => {
    for (let bytes = 0; bytes <= 40; bytes += 4)
      assert.equal(told('raw', ip4(6, SYN, { options: Buffer.alloc(bytes, 1) })), SYN_TEXT);
  });

  it('finds the ports behind IPv6 extension headers', () => {
    const chain = [
      [0, extension(1)],
      [60, extension()],
      [43, extension()],
      [44, fragment(0)],
      [51, authentication()],
      [60, extension(2)],
    ] as const;
    for (let count = 0; count <= chain.length; count += 1)
      assert.equal(told('raw', ip6(6, SYN, chain.slice(0, count))), SYN6_TEXT);
  });

  it('sees no knock in ESP, in no-next-header, in ICMP, in ARP', () => {
    for (const next of [50, 59, 58]) {
      assert.equal(told('raw', ip6(next, SYN)), 'ignored');
      assert.equal(told('raw', ip6(next, SYN, [[0, extension()]])), 'ignored');
    }
    assert.equal(told('raw', ip4(1, SYN)), 'ignored');
    assert.equal(told('ethernet', frameOf('ethernet', ip4(6, SYN), [], 0x0806)), 'ignored');
  });

  it('takes no port out of a fragment but the first', () => {
    assert.equal(told('raw', ip4(6, SYN, { fragment: 0x2000 })), SYN_TEXT);
    assert.equal(told('raw', ip4(6, SYN, { fragment: 0x2001 })), 'ignored');
    assert.equal(told('raw', ip4(6, SYN, { fragment: 0x0002 })), 'ignored');
    assert.equal(told('raw', ip6(6, SYN, [[44, fragment(0)]])), SYN6_TEXT);
    assert.equal(told('raw', ip6(6, SYN, [[44, fragment(1)]])), 'ignored');
    // RFC 1858: a first fragment too small for its header.
    assert.equal(told('raw', ip4(6, SYN.subarray(0, 8), { fragment: 0x2000 })), 'malformed');
  });

  it('ignores a packet whose routing header sends it on', () => {
    assert.equal(told('raw', ip6(6, SYN, [[43, extension(2, 0, 1)]])), 'ignored');
  });

  it('goes by the packet, not by the padding behind it', () => {
    const short = ip4(6, SYN.subarray(0, 12));
    const padded = frameOf('ethernet', Buffer.concat([short, Buffer.alloc(30, 0x50)]));
    assert.equal(told('ethernet', padded), 'malformed');
    const whole = Buffer.concat([ip4(6, SYN), Buffer.alloc(6, 0xaa)]);
    assert.equal(told('ethernet', frameOf('ethernet', whole)), SYN_TEXT);
  });

  it('reads headers of packets cut short by a snaplen, and of those with length 0', () => {
    assert.equal(told('raw', ip4(6, SYN, { total: 1500 })), SYN_TEXT);
    assert.equal(told('raw', ip4(6, SYN, { total: 0 })), SYN_TEXT);
    assert.equal(told('raw', ip6(6, SYN, [], { length: 0 })), SYN6_TEXT);
    assert.equal(told('raw', ip6(6, SYN, [], { length: 1400 })), SYN6_TEXT);
  });

  it('calls contradicting lengths and versions malformed', () => {
    assert.equal(told('raw', ip4(6, SYN, { total: 39 })), 'malformed');
    assert.equal(told('raw', ip6(6, SYN, [], { length: 19 })), 'malformed');
    assert.equal(told('ethernet', frameOf('ethernet', ip4(6, SYN), [], 0x86dd)), 'malformed');
    assert.equal(told('raw', Buffer.alloc(60, 0x55)), 'malformed');
    const offset = Buffer.from(SYN);
    offset[12] = 0x40;
    assert.equal(told('raw', ip4(6, offset)), 'malformed');
    const tiny = udp({ port: 9 });
    tiny.writeUInt16BE(7, 4);
    assert.equal(told('raw', ip4(17, tiny)), 'malformed');
  });

  it('looks at the bytes captured and at none behind them', () => {
    const frame = frameOf('ethernet', ip4(6, SYN));
    assert.equal(parseFrame('ethernet', frame, out, frame.length), 'packet');
    assert.equal(parseFrame('ethernet', frame, out, frame.length - 1), 'malformed');
  });

  it('agrees with the oracle on frames cut at every length', () => {
    const random = randomFrom(1);
    for (let round = 0; round < 150; round += 1) {
      const { link, frame } = wellFormed(random);
      for (let length = 0; length <= frame.length; length += 1) {
        const cut = frame.subarray(0, length);
        assert.equal(told(link, cut), expected(link, cut), `${link} ${cut.toString('hex')}`);
      }
    }
  });

  it('agrees with the oracle on fuzzed frames, and never throws', function () {
    this.timeout(0);
    const frames = Number(process.env['FUZZ_FRAMES'] ?? 100_000);
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);
    const random = randomFrom(seed);
    const verdicts = { packet: 0, ignored: 0, malformed: 0 };
    for (let i = 0; i < frames; i += 1) {
      const { link, frame } = hostile(random);
      const got = told(link, frame);
      const want = expected(link, frame);
      if (got !== want)
        assert.equal(got, want, `FUZZ_SEED=${seed}, frame ${i}: ${link} ${frame.toString('hex')}`);
      verdicts[got === 'ignored' || got === 'malformed' ? got : 'packet'] += 1;
    }
    // All three must be well represented, or nothing was shown.
    for (const count of Object.values(verdicts))
      assert.ok(count > frames / 20, JSON.stringify(verdicts));
  });

  it('takes a bounded number of steps on any frame', () => {
    let reads = 0;
    const counted = (frame: Buffer) =>
      new Proxy<Uint8Array>(frame, {
        get(target, key) {
          reads += 1;
          return Reflect.get(target, key, target);
        },
      });
    const random = randomFrom(2);
    const chain = Array.from({ length: 5000 }, () => [60, extension()] as const);
    const longest = ip6(6, SYN, chain, { length: 0 });
    for (let round = 0; round < 2000; round += 1) {
      const { link, frame } =
        round === 0 ? { link: 'raw' as const, frame: longest } : hostile(random);
      reads = 0;
      parseFrame(link, counted(frame), out);
      assert.ok(reads < 200, `${reads} reads of ${link} ${frame.toString('hex')}`);
    }
  });
});
