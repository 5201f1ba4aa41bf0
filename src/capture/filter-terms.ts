/** The words of the filter language (pcap-filter(7)) that `filter.ts` puts together. */
import ipaddr from 'ipaddr.js';
import type { PortRange } from '../../config/types.js';

export type Family = 4 | 6;

/** Every term; empty ones say nothing and are left out. */
export function all(terms: readonly string[]): string {
  return terms
    .filter((term) => term !== '')
    .map((term) => (term.includes(' or ') ? `(${term})` : term))
    .join(' and ');
}

/** At least one term. */
export function any(terms: readonly string[]): string {
  return terms.map((term) => (term.includes(' and ') ? `(${term})` : term)).join(' or ');
}

/** The field lies in one of the ranges. */
export function within(field: string, ranges: readonly PortRange[]): string {
  return any(
    ranges.map(({ from, to }) =>
      from === to ? `${field} = ${from}` : `${field} >= ${from} and ${field} <= ${to}`,
    ),
  );
}

/** The field lies in none of the ranges; '' when there are none. */
export function outside(field: string, ranges: readonly PortRange[]): string {
  return ranges.length === 0 ? '' : `not (${within(field, ranges)})`;
}

/**
 * The destination is one of the addresses of that family; '' when any will do (`addresses` is
 * undefined), undefined when there is none of that family.
 */
export function hostTest(
  family: Family,
  addresses: readonly string[] | undefined,
): string | undefined {
  if (addresses === undefined) return '';
  const own = ofFamily(family, addresses);
  const word = family === 4 ? 'ip' : 'ip6';
  return own.length === 0 ? undefined : any(own.map((address) => `${word} dst host ${address}`));
}

/** Like `hostTest`, for an IP header at a fixed offset of an Ethernet frame. */
export function innerHostTest(
  family: Family,
  ipAt: number,
  addresses: readonly string[] | undefined,
): string | undefined {
  if (addresses === undefined) return '';
  const own = ofFamily(family, addresses);
  const field = ipAt + (family === 4 ? 16 : 24);
  return own.length === 0
    ? undefined
    : any(
        own.map((address) =>
          all(words(address).map((hex, i) => `ether[${field + 4 * i}:4] = ${hex}`)),
        ),
      );
}

function ofFamily(family: Family, addresses: readonly string[]): string[] {
  return addresses.filter((address) => address.includes(':') === (family === 6));
}

function words(address: string): string[] {
  const hex = Buffer.from(ipaddr.parse(address).toByteArray()).toString('hex');
  return (hex.match(/.{8}/g) ?? []).map((word) => `0x${word}`);
}
