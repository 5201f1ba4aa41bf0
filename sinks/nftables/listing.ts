/** Elements as `nft -j list set` prints them, for tables that are not ours to flush. */
import { z } from 'zod';
import { canonicalAddress } from '../../config/address.js';
import { Element } from './element.js';

const port = z.number().int().min(1).max(65535);
const concat = z.tuple([
  z.string(),
  z.enum(['tcp', 'udp']),
  z.union([port, z.object({ range: z.tuple([port, port]) })]),
]);
const element = z.object({ elem: z.object({ val: z.object({ concat }), timeout: z.number() }) });
const listing = z.object({
  nftables: z.array(
    z.object({ set: z.object({ elem: z.array(z.unknown()).optional() }).optional() }),
  ),
});

/**
 * The elements with a timeout; those without are the user's own. What does not read as an element
 * that postern could have made is left out: it is not ours to remove.
 */
export function timedElements(json: string, ranged: boolean): readonly Element[] {
  const { nftables } = listing.parse(JSON.parse(json));
  return nftables.flatMap(({ set }) => set?.elem ?? []).flatMap((each) => elementIn(each, ranged));
}

function elementIn(value: unknown, ranged: boolean): readonly Element[] {
  const parsed = element.safeParse(value);
  if (!parsed.success) return [];
  const [source, protocol, ports] = parsed.data.elem.val.concat;
  if (canonicalAddress(source) === undefined) return [];
  const [from, to] = typeof ports === 'number' ? [ports, ports] : ports.range;
  return [Element.of(source, { protocol, from, to, ranged })];
}
