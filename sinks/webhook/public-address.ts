/**
 * Which addresses a webhook may be sent to with `private_targets = no` (T16): those of other hosts
 * in the public internet, and no other.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import { canonicalAddress } from '../../config/address.js';

/** In public space, but answered by the cloud that a host runs in. */
const CLOUD = new Map([['168.63.129.16', 'the metadata service of a cloud']]);

/** What is given out at all (RFC 4291): the rest of IPv6 is for special uses or for none yet. */
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/**
 * In a few words why an address is not public; undefined when it is. Takes the forms that carry an
 * IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) for what they may reach: not
 * public, whatever is inside.
 */
export function whyNotPublic(address: string, own = ownAddresses()): string | undefined {
  if (isIP(address) === 0) return 'no IP address';
  const canonical = canonicalAddress(address) ?? address;
  if (own.has(canonical)) return 'an address of this host';
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range !== 'unicast') return WORDS[range] ?? `reserved (${range})`;
  if (parsed instanceof ipaddr.IPv4) return CLOUD.get(canonical);
  if (!parsed.match(GLOBAL_UNICAST)) return 'not in the global unicast range';
  return isIsatap(parsed) ? 'an IPv4 address inside IPv6 (ISATAP)' : undefined;
}

const WORDS: Readonly<Record<string, string>> = {
  unspecified: 'unspecified',
  loopback: 'loopback',
  private: 'private',
  uniqueLocal: 'private',
  linkLocal: 'link-local',
  carrierGradeNat: 'carrier-grade NAT',
  multicast: 'multicast',
  broadcast: 'broadcast',
  ipv4Mapped: 'an IPv4 address inside IPv6 (mapped)',
  rfc6145: 'an IPv4 address inside IPv6 (translated)',
  rfc6052: 'an IPv4 address inside IPv6 (NAT64)',
  '6to4': 'an IPv4 address inside IPv6 (6to4)',
  teredo: 'an IPv4 address inside IPv6 (Teredo)',
};

/** RFC 5214, section 6.1: an interface identifier that begins with 00-00-5E-FE or 02-00-5E-FE. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  const [, , , , high = 0, low = 0] = parts;
  return (high & ~0x0200) === 0 && low === 0x5efe;
}

/**
 * What this host answers to, as canonical text. A public one counts as well: from here it is reached
 * over the loopback interface, behind the firewall that keeps others away.
 */
function ownAddresses(): ReadonlySet<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(addresses.map(({ address }) => canonicalAddress(address) ?? address));
}
