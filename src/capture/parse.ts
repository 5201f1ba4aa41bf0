/**
 * The link layer of captured frames, over exactly the bytes captured (DESIGN 2). `cap`'s own
 * decoders loop for ever on ESP, read ports out of fragments and see the previous frame's bytes.
 * Nothing here allocates or throws, whatever the bytes, and every loop has a fixed bound.
 */
import type { Protocol } from '../../machines/types.js';
import { parseIp } from './parse-ip.js';

/**
 * How a frame begins: Ethernet with any VLAN tags, Linux cooked (v1 live and in files, v2 in files),
 * an IP header at once, or a four-byte address family before it in either byte order.
 */
export type LinkType = 'ethernet' | 'cooked' | 'cooked2' | 'raw' | 'null';

/**
 * `packet`: a TCP or UDP header was read. `ignored`: well-formed as far as it was read, but no
 * knock can be in it. `malformed`: its own lengths or versions contradict what is there.
 */
export type Verdict = 'packet' | 'ignored' | 'malformed';

/** What a frame says; one object is reused for all. Only valid after the verdict `packet`. */
export interface ParsedFrame {
  /** 16 bytes; IPv4 addresses in their v4-mapped form (RFC 4291 2.5.5.2). */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  protocol: Protocol;
  sourcePort: number;
  /** Destination port. */
  port: number;
  /** TCP flag bits FIN to URG; 0 for UDP. */
  flags: number;
  /** TCP sequence number; 0 for UDP. */
  sequence: number;
  /** VLAN id of the outermost tag; 0 without one (or with a mere priority tag). */
  vlan: number;
}

/** More tags than anybody stacks (QinQ has two). */
const MAX_TAGS = 4;

export function newParsedFrame(): ParsedFrame {
  return {
    source: new Uint8Array(16),
    destination: new Uint8Array(16),
    protocol: 'tcp',
    sourcePort: 0,
    port: 0,
    flags: 0,
    sequence: 0,
    vlan: 0,
  };
}

/** The link type of a pcap file's number (LINKTYPE_*), or undefined for one that holds no IP here. */
export function linkTypeOf(pcapNumber: number): LinkType | undefined {
  switch (pcapNumber) {
    case 0: // NULL: the writer's byte order
    case 108: // LOOP: network byte order
      return 'null';
    case 1:
      return 'ethernet';
    case 12: // DLT_RAW on most systems
    case 14: // DLT_RAW on OpenBSD
    case 101: // LINKTYPE_RAW
    case 228: // LINKTYPE_IPV4
    case 229: // LINKTYPE_IPV6
      return 'raw';
    case 113:
      return 'cooked';
    case 276:
      return 'cooked2';
    default:
      return undefined;
  }
}

/**
 * Reads one frame into `out`.
 * @param length bytes of `frame` that were captured
 */
export function parseFrame(
  link: LinkType,
  frame: Uint8Array,
  out: ParsedFrame,
  length = frame.length,
): Verdict {
  out.vlan = 0;
  const end = length < frame.length ? length : frame.length;
  switch (link) {
    case 'ethernet':
      return end < 14 ? 'malformed' : parseEtherType(frame, 12, end, out);
    case 'cooked':
      return end < 16 ? 'malformed' : parseEtherType(frame, 14, end, out);
    case 'cooked2':
      // The EtherType comes first; the 20-byte header holds no second one to step over.
      return end < 20 ? 'malformed' : parseCooked2(frame, end, out);
    case 'raw':
      return parseIp(frame, 0, end, 0, out);
    case 'null':
      return end < 4 ? 'malformed' : parseNull(frame, end, out);
  }
}

/** EtherType at `at`, or tags of four bytes before it (802.1Q, 802.1ad and the older 0x9100). */
function parseEtherType(frame: Uint8Array, at: number, end: number, out: ParsedFrame): Verdict {
  let offset = at;
  for (let tags = 0; ; tags += 1) {
    if (offset + 2 > end) return 'malformed';
    const type = word(frame, offset);
    if (!isTag(type)) return parseNetwork(type, frame, offset + 2, end, out);
    if (tags === MAX_TAGS || offset + 4 > end) return 'malformed';
    if (tags === 0) out.vlan = word(frame, offset + 2) & 0x0fff;
    offset += 4;
  }
}

function parseCooked2(frame: Uint8Array, end: number, out: ParsedFrame): Verdict {
  const type = word(frame, 0);
  if (!isTag(type)) return parseNetwork(type, frame, 20, end, out);
  // A tag that libpcap put back: its id and the next EtherType follow the header.
  if (end < 22) return 'malformed';
  out.vlan = word(frame, 20) & 0x0fff;
  return parseEtherType(frame, 22, end, out);
}

function parseNetwork(
  type: number,
  frame: Uint8Array,
  at: number,
  end: number,
  out: ParsedFrame,
): Verdict {
  if (type === 0x0800) return parseIp(frame, at, end, 4, out);
  if (type === 0x86dd) return parseIp(frame, at, end, 6, out);
  return 'ignored';
}

/** BSD loopback: AF_INET is 2 everywhere, AF_INET6 is 10, 24, 28 or 30 by system. */
function parseNull(frame: Uint8Array, end: number, out: ParsedFrame): Verdict {
  const high = word(frame, 0);
  const low = word(frame, 2);
  const family = high === 0 ? low : low === 0 ? (high >> 8) | ((high & 0xff) << 8) : 0;
  if (family === 2) return parseIp(frame, 4, end, 4, out);
  if (family === 10 || family === 24 || family === 28 || family === 30)
    return parseIp(frame, 4, end, 6, out);
  return 'ignored';
}

function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

function word(frame: Uint8Array, at: number): number {
  return ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
}
