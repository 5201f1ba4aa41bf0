/**
 * The kernel's filter: everything that the matching rules M1, M2 and M7 need, and little else
 * (DESIGN 3). It may let too much through, never too little; whoever matches decides again.
 *
 * - `tcp[13]` and `tcp dst port` do not see IPv6 flags or extension headers: IPv6 is spelled out by
 *   its offsets, and packets with extension headers pass by their address alone.
 * - VLAN tags: the kernel has taken the outer tag off before a filter runs (libpcap puts it back
 *   afterwards), so tagged frames match like others. Only the inner tags of QinQ are still inside
 *   the frame; such frames pass by their address alone. Nothing uses the word `vlan`, which would
 *   move the offsets of all that follows it.
 * - Thousands of ports take libpcap minutes, and the kernel refuses 4,096 instructions: long lists
 *   are left out.
 */
import type { PortRange } from '../../config/types.js';
import type { Protocol } from '../../machines/types.js';
import { all, any, type Family, hostTest, innerHostTest, outside, within } from './filter-terms.js';
import type { CaptureDoor, CapturePlan } from './types.js';

export interface FilterInput {
  readonly plan: CapturePlan;
  /** The interface's own addresses, canonical text. */
  readonly addresses: readonly string[];
  /** Ports that something on this host listens on. */
  readonly listening: Readonly<Record<Protocol, ReadonlySet<number>>>;
  /** Whether frames begin with an Ethernet header, and may hold QinQ's inner tags. */
  readonly ethernet: boolean;
}

const MAX_ADDRESSES = 32;
const MAX_KNOCK_PORTS = 200;
const MAX_LEFT_OUT = 100;
const MAX_FLAG_RULES = 16;

/** Valid, and nobody sends it; libpcap refuses a filter that it can tell to match nothing. */
const NOTHING = 'ip src 0.0.0.0 and ip dst 0.0.0.0';

/** The text of the filter. It holds ports of sequences: not for logs, argv or errors. */
export function captureFilter(input: FilterInput): string {
  const { plan } = input;
  const addresses = destinations(plan.doors, input.addresses);
  if (plan.doors.length === 0 || addresses?.length === 0) return NOTHING;
  const families = ([4, 6] as const).flatMap((family) => {
    const to = hostTest(family, addresses);
    return to === undefined ? [] : [all([familyWord(family), to, packets(family, input)])];
  });
  const inner = input.ethernet ? [innerTags(addresses)] : [];
  return any([...families, ...inner]);
}

/** M1: a door's target, or any address of the interface. Undefined: too many to name. */
function destinations(
  doors: readonly CaptureDoor[],
  own: readonly string[],
): readonly string[] | undefined {
  const targets = doors.flatMap(({ target }) => (target === undefined ? [] : [target]));
  const addresses = new Set([...targets, ...(doors.length > targets.length ? own : [])]);
  return addresses.size > MAX_ADDRESSES ? undefined : [...addresses].sort();
}

function familyWord(family: Family): string {
  return family === 4 ? 'ip' : 'ip6';
}

function packets(family: Family, input: FilterInput): string {
  const kinds = (['tcp', 'udp'] as const).flatMap((protocol) => {
    const wanted = ports(protocol, family, input);
    if (wanted === undefined) return [];
    const flags = protocol === 'tcp' ? flagTest(input.plan.doors, family) : '';
    return [all([protocolTest(protocol, family), flags, wanted])];
  });
  if (family === 4) return all(['ip[6:2] & 0x1fff = 0', any(kinds)]);
  // Hop-by-hop, routing, fragment, authentication, destination options.
  const extended = [0, 43, 44, 51, 60].map((next) => `ip6[6] = ${next}`);
  return any([...kinds, ...extended]);
}

function protocolTest(protocol: Protocol, family: Family): string {
  const number = protocol === 'tcp' ? 6 : 17;
  return family === 4 ? `ip[9] = ${number}` : `ip6[6] = ${number}`;
}

/** Destination ports that matter; '' for all of them, undefined for none. */
function ports(protocol: Protocol, family: Family, input: FilterInput): string | undefined {
  const { plan } = input;
  const field = family === 4 ? `${protocol}[2:2]` : 'ip6[42:2]';
  const knocks = new Set(
    plan.doors.flatMap((door) =>
      door.knocks.filter((knock) => knock.protocol === protocol).map(({ port }) => port),
    ),
  );
  if (knocks.size === 0 && (protocol === 'udp' || !plan.strays)) return undefined;
  if (!plan.strays) return knocks.size > MAX_KNOCK_PORTS ? '' : within(field, ranges(knocks));
  const left = leftOut(input.listening[protocol], plan.ignorePorts ?? [], knocks);
  return left.length > MAX_LEFT_OUT ? '' : outside(field, left);
}

/** Ports that are neither strays nor knocks (M7). */
function leftOut(
  listening: ReadonlySet<number>,
  ignored: readonly PortRange[],
  knocks: ReadonlySet<number>,
): readonly PortRange[] {
  const out = new Set(listening);
  for (const { from, to } of ignored) for (let port = from; port <= to; port += 1) out.add(port);
  for (const knock of knocks) out.delete(knock);
  return ranges(out);
}

function ranges(ports: ReadonlySet<number>): PortRange[] {
  const merged: { from: number; to: number }[] = [];
  for (const port of [...ports].sort((a, b) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && last.to + 1 === port) last.to = port;
    else merged.push({ from: port, to: port });
  }
  return merged;
}

/** M2, of any door: '' when some door takes all flags, or there are too many rules to tell. */
function flagTest(doors: readonly CaptureDoor[], family: Family): string {
  const field = family === 4 ? 'tcp[13]' : 'ip6[53]';
  const rules = new Set(
    doors.map(({ tcpFlags: { required, excluded } }) => {
      const mask = required | excluded;
      return mask === 0 ? '' : `${field} & ${mask} = ${required}`;
    }),
  );
  return rules.has('') || rules.size > MAX_FLAG_RULES ? '' : any([...rules]);
}

/** QinQ: the outer tag is off, the next still there. A third one passes unread. */
function innerTags(addresses: readonly string[] | undefined): string {
  const inner = ([4, 6] as const).flatMap((family) => {
    const to = innerHostTest(family, 18, addresses);
    if (to === undefined) return [];
    return [all([`ether[16:2] = ${family === 4 ? '0x0800' : '0x86dd'}`, to])];
  });
  return all([tagAt(12), any([...inner, tagAt(16)])]);
}

function tagAt(offset: number): string {
  return any(['0x8100', '0x88a8', '0x9100'].map((type) => `ether[${offset}:2] = ${type}`));
}
