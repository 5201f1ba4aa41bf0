/** The connection that is judged, and what is known of its first packet. */
import type { NftTable } from '../../config/types.js';
import type { Protocol } from '../../machines/types.js';
import { SET_NAMES, type SetName } from '../../sinks/nftables/element.js';
import { entryOf, field, wordsOf } from './json.js';
import type { Family } from './sources.js';

/** A new connection from a source that no rule names, to ports of this host. */
export interface Connection {
  readonly family: Family;
  readonly protocol: Protocol;
  /** The same is asked of every port from `from` to `to`. */
  readonly from: number;
  readonly to: number;
  /** Whether the source is in postern's sets: the door is open for it. */
  readonly admitted: boolean;
  /** Where it may come in. Empty: unknown, but not the loopback interface. */
  readonly interfaces: readonly string[];
  /** The table that holds postern's sets. */
  readonly table: NftTable;
}

/** Which of postern's sets an element of this connection is in: ranges have sets of their own. */
export function setOf({ family, from, to }: Pick<Connection, 'family' | 'from' | 'to'>): SetName {
  return from === to ? `allow${family}` : `allow${family}r`;
}

/** Whether this is one of postern's sets. */
export function isOurSet(
  connection: Connection,
  table: { readonly family: string; readonly name: string },
  set: string,
): boolean {
  const ours = connection.table;
  return (
    table.family === ours.family &&
    table.name === ours.name &&
    SET_NAMES.some((name) => name === set)
  );
}

/** What a part of a packet is. */
export type Value =
  /** One of these words; several: any of them. */
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'port'; readonly from: number; readonly to: number }
  /** TCP flags: just these are set. */
  | { readonly kind: 'flags'; readonly set: readonly string[] }
  | { readonly kind: 'source'; readonly family: Family }
  | { readonly kind: 'all'; readonly parts: readonly Value[] }
  /** The packet has no such part, so no match on it holds. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly what: string };

const word = (text: string): Value => ({ kind: 'word', words: [text] });
const unknown = (what: string): Value => ({ kind: 'unknown', what });
const ABSENT: Value = { kind: 'absent' };

/** What is asked of a packet on the left of a match. */
export function partOf(connection: Connection, left: unknown, tracked: boolean): Value {
  const [key = '', of] = entryOf(left);
  if (key === 'payload') return payload(connection, of);
  if (key === 'meta') return meta(connection, field(of, 'key'));
  if (key === 'ct') return conntrack(field(of, 'key'), tracked);
  if (key === 'fib') return fib(of);
  if (key === 'concat' && Array.isArray(of)) return concat(connection, of, tracked);
  if (key === '&' && Array.isArray(of)) return masked(partOf(connection, of[0], tracked), of[1]);
  // IPv6 extension headers: connections have none.
  return key === 'exthdr' ? ABSENT : unknown(key);
}

function payload({ family, protocol, from, to }: Connection, of: unknown): Value {
  const [header, name] = [field(of, 'protocol'), field(of, 'field')];
  if ((header === 'ip' && family === 6) || (header === 'ip6' && family === 4)) return ABSENT;
  if (header === 'ip' || header === 'ip6') {
    if (name === 'saddr') return { kind: 'source', family };
    // The next header is the protocol itself unless there are extension headers, and nobody has any.
    return name === 'protocol' || name === 'nexthdr'
      ? word(protocol)
      : unknown(`${header} ${name}`);
  }
  if (header === 'th' || header === protocol) {
    if (name === 'dport') return { kind: 'port', from, to };
    return name === 'flags' ? { kind: 'flags', set: ['syn'] } : unknown(`${header} ${name}`);
  }
  if (header === 'ether') return unknown(`ether ${name}`);
  return header === '' ? unknown('raw payload') : ABSENT;
}

function meta({ family, protocol, interfaces }: Connection, key: string): Value {
  if (key === 'l4proto') return word(protocol);
  if (key === 'nfproto') return word(family === 4 ? 'ipv4' : 'ipv6');
  if (key === 'protocol') return word(family === 4 ? 'ip' : 'ip6');
  if (key === 'pkttype') return word('host');
  if (key === 'iif' || key === 'iifname') return { kind: 'word', words: interfaces };
  return unknown(`meta ${key}`);
}

function conntrack(key: string, tracked: boolean): Value {
  if (key === 'state' && tracked) return word('new');
  if (key === 'direction') return word('original');
  // `ct status dnat`: a connection that was rewritten on its way in is not judged any further.
  if (key === 'status') return word('none');
  return unknown(`ct ${key}`);
}

function fib(of: unknown): Value {
  const flags = typeof of === 'object' && of !== null && 'flags' in of ? of.flags : undefined;
  const first: unknown = Array.isArray(flags) ? flags[0] : flags;
  if (field(of, 'result') === 'type' && first === 'daddr') return word('local');
  if (field(of, 'result') === 'type' && first === 'saddr') return word('unicast');
  // `fib saddr . iif oif missing`, the reverse path filter: the way back leads where it came from.
  if (field(of, 'result') === 'oif' && first === 'saddr') return word('true');
  return unknown('fib');
}

function concat(connection: Connection, parts: readonly unknown[], tracked: boolean): Value {
  const values = parts.map((part) => partOf(connection, part, tracked));
  return values.some(({ kind }) => kind === 'absent') ? ABSENT : { kind: 'all', parts: values };
}

function masked(value: Value, mask: unknown): Value {
  if (value.kind !== 'flags') return value.kind === 'unknown' ? value : unknown('a mask');
  return { kind: 'flags', set: value.set.filter((flag) => wordsOf(mask).includes(flag)) };
}
