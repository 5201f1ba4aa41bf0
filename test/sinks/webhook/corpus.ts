import type { LookupAddress } from 'node:dns';
import { isIPv4 } from 'node:net';

/** A URL that leads where a webhook must not go; `PORT` is put in. */
export interface PrivateUrl {
  readonly url: string;
  /** What the name in it is resolved to; without, as the host resolves it. */
  readonly addresses?: readonly string[];
}

/** An address that is public, and that the network of the test leads to the receiver. */
export const PUBLIC = '9.9.9.9';
/** A public one that is given to an interface. */
export const OWN = '9.9.9.10';

const DOTTED = [
  ...['127.0.0.1', '127.0.0.2', '127.1.2.3', '127.255.255.254', '0.0.0.0', '0.0.0.1'],
  ...['10.0.0.1', '10.255.255.254', '172.16.0.1', '172.31.255.254', '192.168.0.1'],
  ...['192.168.255.254', '169.254.169.254', '169.254.170.2', '169.254.0.1', '100.64.0.1'],
  ...['100.100.100.200', '100.127.255.254', '192.0.0.1', '192.0.0.192', '192.0.2.1'],
  ...['198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.254', '192.88.99.1'],
  ...['224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255', '168.63.129.16', OWN],
];

/** 127.0.0.1, 0.0.0.0, 169.254.169.254, 10.0.0.1 and 192.168.0.1, as browsers understand them too. */
const DISGUISED = [
  ...['2130706433', '0x7f000001', '017700000001', '0177.0.0.1', '0x7f.0.0.1', '127.1', '127.0.1'],
  ...['0', '0x0', '127.0.0.1.', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376'],
  ...['0xa9.0xfe.0xa9.0xfe', '169.254.43518', '167772161', '0x0a000001', '10.1', '3232235521'],
  ...['１２７.０.０.１', '127。0。0。1', '①②⑦.⓪.⓪.①', '%31%32%37.0.0.1', '127.0.0.1%2e'],
];

const COLONS = [
  ...['::', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1'],
  ...['::ffff:169.254.169.254', '::ffff:9.9.9.9', '::127.0.0.1', '::ffff:0:127.0.0.1'],
  ...['64:ff9b::7f00:1', '64:ff9b::169.254.169.254', '64:ff9b:1::a00:1', '2002:7f00:1::1'],
  ...['2002:a9fe:a9fe::1', '2001:0:7f00:1::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fd00:ec2::254'],
  ...['fd12:3456::1', 'ff02::1', 'ff0e::1', '100::1', '2001:db8::1', '3fff::1', '5f00::1'],
  ...['2001:2::1', '2606:4700::5efe:7f00:1', '4000::1'],
];

const NAMES: readonly PrivateUrl[] = [
  { url: 'http://localhost:PORT/' },
  { url: 'http://LOCALHOST.:PORT/', addresses: ['::1', '127.0.0.1'] },
  { url: 'http://metadata.google.internal:PORT/', addresses: ['169.254.169.254'] },
  { url: 'http://inside.test:PORT/', addresses: ['10.0.0.1'] },
  { url: 'http://first.test:PORT/', addresses: ['10.0.0.1', PUBLIC] },
  { url: 'http://last.test:PORT/', addresses: [PUBLIC, '10.0.0.1'] },
  { url: 'http://zero.test:PORT/', addresses: ['0.0.0.0'] },
  { url: 'http://mapped.test:PORT/', addresses: ['::ffff:127.0.0.1'] },
  { url: 'http://local.test:PORT/', addresses: ['fd00::1'] },
  { url: 'http://nat64.test:PORT/', addresses: ['64:ff9b::7f00:1'] },
  { url: 'http://own.test:PORT/', addresses: [OWN] },
  { url: `http://${PUBLIC}@127.0.0.1:PORT/` },
  { url: `http://127.0.0.1:PORT#@${PUBLIC}/` },
  { url: `http://127.0.0.1:PORT\\@${PUBLIC}/` },
];

export const PRIVATE_URLS: readonly PrivateUrl[] = [
  ...[...DOTTED, ...DISGUISED].map((host) => ({ url: `http://${host}:PORT/` })),
  ...COLONS.map((host) => ({ url: `http://[${host}]:PORT/` })),
  ...NAMES,
];

export function lookupAddresses(addresses: readonly string[]): LookupAddress[] {
  return addresses.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }));
}
