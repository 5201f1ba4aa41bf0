import { canonicalAddress } from '../../config/address.js';
import type { AllowRule } from '../../config/types.js';
import type { Protocol } from '../../machines/types.js';

/** IPv4 and IPv6 apart, and port ranges apart from plain ports: interval sets are slower. */
export const SETS = {
  allow4: { family: 4, ranges: false },
  allow6: { family: 6, ranges: false },
  allow4r: { family: 4, ranges: true },
  allow6r: { family: 6, ranges: true },
} as const;

export type SetName = keyof typeof SETS;

export const SET_NAMES: readonly SetName[] = ['allow4', 'allow6', 'allow4r', 'allow6r'];

/** A piece of a range goes to the interval sets, also where it is one port wide. */
export interface Ports extends AllowRule {
  readonly ranged: boolean;
}

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp'];

/**
 * What a set holds: source . protocol . port(s). It can only be made of an address that parses and of
 * integers, so that its text never says anything else to nft (T7), which would resolve names too.
 */
export class Element {
  readonly set: SetName;
  /** As nft reads it. */
  readonly text: string;

  private constructor(
    readonly source: string,
    readonly ports: Ports,
  ) {
    const { protocol, from, to, ranged } = ports;
    const family = familyOf(source);
    this.set = ranged ? `allow${family}r` : `allow${family}`;
    this.text = `${source} . ${protocol} . ${from === to ? from : `${from}-${to}`}`;
  }

  /** @throws Error for what is no address, protocol or port: a fault of the caller's */
  static of(source: string, ports: Ports): Element {
    const { protocol, from, to, ranged } = ports;
    const address = canonicalAddress(source);
    if (address === undefined) throw new Error('a grant for what is no address');
    const known = PROTOCOLS.find((each) => each === protocol);
    if (known === undefined || !isPort(from) || !isPort(to) || from > to || (from < to && !ranged))
      throw new Error('a door allows what is no port');
    return new Element(address, { protocol: known, from, to, ranged });
  }
}

/** One element is one key, in whichever set. */
export function keyOf({ set, text }: Element): string {
  return `${set} ${text}`;
}

export function familyOf(source: string): 4 | 6 {
  return source.includes(':') ? 6 : 4;
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65535;
}
