import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { whyNotPublic } from '../../../sinks/webhook/public-address.js';
import { random } from './bench.js';

/**
 * What is not public, apart from the code and from its library: IANA's registries of special-purpose
 * addresses, and what they leave out.
 */
const BLOCKS4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32',
];
const BLOCKS6 = [
  '::/3',
  '4000::/2',
  '8000::/1',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '2620:4f:8000::/48',
  '3fff::/20',
];

const NONE: ReadonlySet<string> = new Set();
const isPublic = (address: string) => whyNotPublic(address, NONE) === undefined;

function toText(value: bigint, bits: number): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((by) => (value >> by) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
  return groups.map((group) => group.toString(16)).join(':');
}

function toNumber(address: string): bigint {
  if (isIPv4(address))
    return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [left = '', right] = address.split('::');
  const groups = (text = '') => text.split(':').filter(Boolean);
  const zeros = right === undefined ? 0 : 8 - groups(left).length - groups(right).length;
  const all = [...groups(left), ...Array<string>(zeros).fill('0'), ...groups(right)];
  return all.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

/** The first and the last address of a block, and their neighbours outside. */
function edges(block: string): { inside: string[]; outside: string[] } {
  const [address = '', length] = block.split('/');
  const bits = isIPv4(address) ? 32 : 128;
  const first = toNumber(address);
  const last = first + (1n << BigInt(bits - Number(length))) - 1n;
  const outside = [first - 1n, last + 1n].filter(
    (value) => value >= 0n && value < 1n << BigInt(bits),
  );
  const text = (value: bigint) => toText(value, bits);
  return { inside: [first, (first + last) / 2n, last].map(text), outside: outside.map(text) };
}

/** Whether a block has the address. */
function blocked(): (address: string) => boolean {
  // Two of them, for Node takes ::/3 to hold all of IPv4.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  const family = (address: string) => (isIPv4(address) ? 'ipv4' : 'ipv6');
  for (const block of [...BLOCKS4, ...BLOCKS6]) {
    const [address = '', length] = block.split('/');
    lists[family(address)].addSubnet(address, Number(length), family(address));
  }
  return (address) => lists[family(address)].check(address, family(address));
}

describe('an address', () => {
  it('of the public internet is public', () => {
    for (const address of [
      '1.1.1.1',
      '8.8.8.8',
      '9.9.9.9',
      '172.15.0.1',
      '172.32.0.1',
      '100.128.0.1',
      '192.0.1.1',
      '223.255.255.255',
      '2606:4700:4700::1111',
      '2a00:1450:4001::1',
      '2001:4860:4860::8888',
      '2400::1',
    ])
      assert.equal(whyNotPublic(address, NONE), undefined, address);
  });

  it('of a block that is not public is not, from its first to its last', () => {
    const isBlocked = blocked();
    for (const block of [...BLOCKS4, ...BLOCKS6]) {
      const { inside, outside } = edges(block);
      for (const address of inside) assert.ok(!isPublic(address), `${address} of ${block}`);
      for (const address of outside) assert.equal(isPublic(address), !isBlocked(address), address);
    }
  });

  it('is public exactly if no block has it', () => {
    const isBlocked = blocked();
    const near = fc.constantFrom(
      ...[...BLOCKS4, ...BLOCKS6].map((block) => block.split('/')[0] ?? ''),
    );
    fc.assert(
      fc.property(near, fc.nat(7), fc.bigInt(0n, (1n << 128n) - 1n), (start, shift, noise) => {
        const bits = isIPv4(start) ? 32 : 128;
        const mask = (1n << BigInt(bits)) - 1n;
        const value = (toNumber(start) ^ ((noise & mask) >> BigInt((bits / 8) * shift))) & mask;
        const address = toText(value, bits);
        // ISATAP stands in every network; it has a test of its own.
        fc.pre(bits === 32 || ((value >> 32n) & 0xfdffffffn) !== 0x5efen);
        assert.equal(isPublic(address), !isBlocked(address), address);
      }),
      random(3000),
    );
  });

  it('is named for what it is', () => {
    const words = {
      '0.0.0.0': 'unspecified',
      '0.1.2.3': 'unspecified',
      '::': 'unspecified',
      '127.0.0.1': 'loopback',
      '127.255.255.254': 'loopback',
      '::1': 'loopback',
      '10.1.2.3': 'private',
      'fd00:ec2::254': 'private',
      '169.254.169.254': 'link-local',
      'fe80::1': 'link-local',
      'fe80::1%eth0': 'link-local',
      '100.100.100.200': 'carrier-grade NAT',
      '168.63.129.16': 'the metadata service of a cloud',
      '192.0.0.192': 'reserved (reserved)',
      '224.0.0.1': 'multicast',
      'ff02::1': 'multicast',
      '255.255.255.255': 'broadcast',
      '::ffff:10.0.0.1': 'an IPv4 address inside IPv6 (mapped)',
      '::ffff:8.8.8.8': 'an IPv4 address inside IPv6 (mapped)',
      '::7f00:1': 'not in the global unicast range',
      '::ffff:0:127.0.0.1': 'an IPv4 address inside IPv6 (translated)',
      '64:ff9b::a00:1': 'an IPv4 address inside IPv6 (NAT64)',
      '64:ff9b:1::a00:1': 'an IPv4 address inside IPv6 (NAT64)',
      '2002:7f00:1::1': 'an IPv4 address inside IPv6 (6to4)',
      '2001:0:7f00:1::1': 'an IPv4 address inside IPv6 (Teredo)',
      '2606:4700::5efe:7f00:1': 'an IPv4 address inside IPv6 (ISATAP)',
      '2606:4700::200:5efe:a00:1': 'an IPv4 address inside IPv6 (ISATAP)',
      'fec0::1': 'reserved (deprecatedSiteLocal)',
      '4000::1': 'not in the global unicast range',
      '2001:db8::1': 'reserved (reserved)',
    };
    for (const [address, word] of Object.entries(words))
      assert.equal(whyNotPublic(address, NONE), word, address);
  });

  it('of this host is not another host', () => {
    assert.equal(whyNotPublic('9.9.9.9', new Set(['9.9.9.9'])), 'an address of this host');
    assert.equal(
      whyNotPublic('2606:4700:0:0::1111', new Set(['2606:4700::1111'])),
      'an address of this host',
    );
    const [own] = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    if (own !== undefined) assert.equal(whyNotPublic(own.address), 'an address of this host');
  });

  it('of an old form is refused as well', () => {
    for (const address of [
      '::127.0.0.1',
      '::8.8.8.8',
      '64:ff9b::10.0.0.1',
      '::FFFF:A00:1',
      '0:0::1',
    ])
      assert.ok(!isPublic(address), address);
  });

  it('is nothing else', () => {
    for (const text of [
      '',
      'localhost',
      '1.2.3',
      '1.2.3.4.5',
      '::g',
      '2130706433',
      '0x7f.0.0.1',
      '1.2.3.4/8',
      '[::1]',
    ])
      assert.ok(whyNotPublic(text, NONE), text);
  });
});
