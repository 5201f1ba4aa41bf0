/** Elements as `nft -n list set` prints them, for tables that are not ours to flush. */
import { canonicalAddress } from '../../config/address.js';
import type { Protocol } from '../../machines/types.js';
import { Element, SETS, type SetName } from './element.js';

/** By name, or with `-n` by number (RFC 790). */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  tcp: 'tcp',
  '6': 'tcp',
  udp: 'udp',
  '17': 'udp',
};

const TIMED_ELEMENT = /(?<=[{,]\s+)([\da-f.:]+) \. (tcp|udp|6|17) \. (\d+)(?:-(\d+))? timeout /g;

/**
 * The elements with a timeout; those without are the user's own. What does not read as an element
 * that postern could have made is left out: it is not ours to remove.
 */
export function timedElements(text: string, set: SetName): readonly Element[] {
  return [...text.matchAll(TIMED_ELEMENT)].flatMap(
    ([, source = '', name = '', low, high = low]) => {
      const protocol = PROTOCOLS[name];
      const [from, to] = [Number(low), Number(high)];
      if (protocol === undefined || canonicalAddress(source) === undefined || from === 0) return [];
      const element = Element.of(source, { protocol, from, to, ranged: SETS[set].ranges });
      return element.set === set ? [element] : [];
    },
  );
}
