/**
 * IPv4, IPv6, TCP and UDP headers, for `parse.ts`. Checksums are not looked at: on virtual and
 * offloading interfaces they are filled in after the capture point.
 *
 * A header must be captured and must lie within the packet's own length. A packet longer than what
 * was captured is fine (a capture file with a short snaplen), and so is a length of 0 (segmentation
 * offload): the captured bytes count then. Bytes behind the packet's end are Ethernet padding.
 */
import type { ParsedFrame, Verdict } from './parse.js';

/** RFC 8200 allows six different extension headers, destination options twice. */
const MAX_EXTENSIONS = 8;

const TCP = 6;
const UDP = 17;

/** Reads an IP packet at `at`. `version` is what the link layer said; 0: it said nothing. */
export function parseIp(
  frame: Uint8Array,
  at: number,
  end: number,
  version: 0 | 4 | 6,
  out: ParsedFrame,
): Verdict {
  if (at >= end) return 'malformed';
  const said = byte(frame, at) >> 4;
  if (version !== 0 && said !== version) return 'malformed';
  if (said === 4) return parseIpv4(frame, at, end, out);
  if (said === 6) return parseIpv6(frame, at, end, out);
  return 'malformed';
}

function parseIpv4(frame: Uint8Array, at: number, end: number, out: ParsedFrame): Verdict {
  if (at + 20 > end) return 'malformed';
  const headerBytes = (byte(frame, at) & 0x0f) * 4;
  const total = word(frame, at + 2) || end - at;
  if (headerBytes < 20 || headerBytes > total || at + headerBytes > end) return 'malformed';
  // Only the first fragment has ports; in any other its payload stands there.
  if ((word(frame, at + 6) & 0x1fff) !== 0) return 'ignored';
  mapIpv4(frame, at + 12, out.source);
  mapIpv4(frame, at + 16, out.destination);
  return parseTransport(byte(frame, at + 9), frame, at + headerBytes, at + total, end, out);
}

function parseIpv6(frame: Uint8Array, at: number, end: number, out: ParsedFrame): Verdict {
  if (at + 40 > end) return 'malformed';
  // 0 is a jumbogram or segmentation offload.
  const payload = word(frame, at + 4) || end - at - 40;
  const packetEnd = at + 40 + payload;
  let next = byte(frame, at + 6);
  let offset = at + 40;
  for (let steps = 0; isExtension(next); steps += 1) {
    if (steps === MAX_EXTENSIONS || offset + 8 > end || offset + 8 > packetEnd) return 'malformed';
    // Not the first fragment: no ports.
    if (next === 44 && (word(frame, offset + 2) & 0xfff8) !== 0) return 'ignored';
    // Segments left: this address is not where the packet ends.
    if (next === 43 && byte(frame, offset + 3) !== 0) return 'ignored';
    const bytes = extensionBytes(next, byte(frame, offset + 1));
    next = byte(frame, offset);
    offset += bytes;
  }
  copyIpv6(frame, at + 8, out.source);
  copyIpv6(frame, at + 24, out.destination);
  return parseTransport(next, frame, offset, packetEnd, end, out);
}

/** Hop-by-hop, routing, fragment, authentication, destination options. ESP hides what follows. */
function isExtension(next: number): boolean {
  return next === 0 || next === 43 || next === 44 || next === 51 || next === 60;
}

function extensionBytes(header: number, length: number): number {
  if (header === 44) return 8;
  return header === 51 ? (length + 2) * 4 : (length + 1) * 8;
}

/** `packetEnd` is where the packet says it ends, `end` where the captured bytes do. */
function parseTransport(
  protocol: number,
  frame: Uint8Array,
  at: number,
  packetEnd: number,
  end: number,
  out: ParsedFrame,
): Verdict {
  if (protocol !== TCP && protocol !== UDP) return 'ignored';
  const least = protocol === TCP ? 20 : 8;
  if (at + least > end || at + least > packetEnd) return 'malformed';
  out.sourcePort = word(frame, at);
  out.port = word(frame, at + 2);
  return protocol === TCP ? parseTcp(frame, at, packetEnd, out) : parseUdp(frame, at, out);
}

function parseTcp(frame: Uint8Array, at: number, packetEnd: number, out: ParsedFrame): Verdict {
  const headerBytes = (byte(frame, at + 12) >> 4) * 4;
  if (headerBytes < 20 || at + headerBytes > packetEnd) return 'malformed';
  out.protocol = 'tcp';
  out.flags = byte(frame, at + 13) & 0x3f;
  out.sequence = word(frame, at + 4) * 0x10000 + word(frame, at + 6);
  return 'packet';
}

function parseUdp(frame: Uint8Array, at: number, out: ParsedFrame): Verdict {
  // 0 is a jumbogram; more than is here is a first fragment or a short snaplen.
  const length = word(frame, at + 4);
  if (length !== 0 && length < 8) return 'malformed';
  out.protocol = 'udp';
  out.flags = 0;
  out.sequence = 0;
  return 'packet';
}

function mapIpv4(frame: Uint8Array, at: number, out: Uint8Array): void {
  out.fill(0, 0, 10);
  out[10] = 0xff;
  out[11] = 0xff;
  for (let i = 0; i < 4; i += 1) out[12 + i] = byte(frame, at + i);
}

function copyIpv6(frame: Uint8Array, at: number, out: Uint8Array): void {
  for (let i = 0; i < 16; i += 1) out[i] = byte(frame, at + i);
}

function byte(frame: Uint8Array, at: number): number {
  return frame[at] ?? 0;
}

function word(frame: Uint8Array, at: number): number {
  return (byte(frame, at) << 8) | byte(frame, at + 1);
}
