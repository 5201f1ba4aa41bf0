/**
 * The source of a judged connection is any of the many that no rule names: a rule about few of the
 * world's addresses does not mean it, one about nearly all of them does, and one in between (a
 * country's addresses) cannot be told.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { elementOf } from './json.js';
import type { Truth } from './truth.js';

export type Family = 4 | 6;

interface Span {
  readonly from: bigint;
  /** Included. */
  readonly to: bigint;
}

/** Where sources on the internet are: no multicast and no reserved addresses; 2000::/3. */
const WORLD: Readonly<Record<Family, Span>> = {
  4: { from: 0n, to: 0xdfff_ffffn },
  6: { from: 1n << 125n, to: (1n << 126n) - 1n },
};

const FEW = 64n;

/** Of each list once: a country's addresses are many, and many rules may name them. */
const judged = { 4: new WeakMap<object, Truth>(), 6: new WeakMap<object, Truth>() } as const;

/** Whether such a source is among these addresses, as nft's JSON writes them. */
export function meansAnySource(family: Family, addresses: readonly unknown[]): Truth {
  const truth = judged[family].get(addresses) ?? coverageOf(family, addresses);
  judged[family].set(addresses, truth);
  return truth;
}

function coverageOf(family: Family, addresses: readonly unknown[]): Truth {
  let covered = 0n;
  const world = WORLD[family];
  for (const address of addresses) {
    const span = spanOf(family, elementOf(address));
    if (span === undefined) return 'maybe';
    const from = span.from > world.from ? span.from : world.from;
    const to = span.to < world.to ? span.to : world.to;
    if (from <= to) covered += to - from + 1n;
  }
  const size = world.to - world.from + 1n;
  if (covered * FEW < size) return 'no';
  return (size - covered) * FEW < size ? 'yes' : 'maybe';
}

function spanOf(family: Family, address: unknown): Span | undefined {
  if (typeof address === 'string') {
    const number = numberOf(family, address);
    return number === undefined ? undefined : { from: number, to: number };
  }
  if (typeof address !== 'object' || address === null) return undefined;
  if ('prefix' in address) return prefixOf(family, address.prefix);
  if (!('range' in address) || !Array.isArray(address.range)) return undefined;
  const [from, to] = address.range.map((end: unknown) => numberOf(family, end));
  return from === undefined || to === undefined ? undefined : { from, to };
}

function prefixOf(family: Family, prefix: unknown): Span | undefined {
  if (typeof prefix !== 'object' || prefix === null) return undefined;
  if (!('addr' in prefix) || !('len' in prefix)) return undefined;
  const from = numberOf(family, prefix.addr);
  if (from === undefined || typeof prefix.len !== 'number') return undefined;
  const rest = BigInt((family === 4 ? 32 : 128) - prefix.len);
  return { from, to: from + (1n << rest) - 1n };
}

function numberOf(family: Family, text: unknown): bigint | undefined {
  if (typeof text !== 'string' || isIP(text) !== family) return undefined;
  const bytes = ipaddr.parse(text).toByteArray();
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
