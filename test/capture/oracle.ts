/**
 * What a frame says, told a second time and in another way: a cursor over slices that gives up by
 * throwing. Written from the RFCs, not from the parser; for tests alone.
 */
import ipaddr from 'ipaddr.js';
import type { Link } from './frames.js';

export interface Told {
  readonly verdict: 'packet' | 'ignored' | 'malformed';
  readonly text?: string;
}

class Ignored extends Error {}
class Malformed extends Error {}

interface Cursor {
  bytes: Buffer;
  take(count: number): Buffer;
}

function cursorOver(all: Buffer): Cursor {
  return {
    bytes: all,
    take(count) {
      if (count > this.bytes.length) throw new Malformed();
      const taken = this.bytes.subarray(0, count);
      this.bytes = this.bytes.subarray(count);
      return taken;
    },
  };
}

export function oracle(link: Link, frame: Buffer): Told {
  try {
    return { verdict: 'packet', text: network(link, cursorOver(frame)) };
  } catch (error) {
    if (error instanceof Ignored) return { verdict: 'ignored' };
    if (error instanceof Malformed) return { verdict: 'malformed' };
    throw error;
  }
}

const TAGS = new Set([0x8100, 0x88a8, 0x9100]);

function network(link: Link, cursor: Cursor): string {
  if (link === 'raw') return internet(cursor, undefined);
  if (link === 'null') {
    const family = cursor.take(4);
    const number = [family.readUInt32LE(0), family.readUInt32BE(0)].find((n) => n < 65_536);
    if (number === 2) return internet(cursor, 4);
    if (number !== undefined && [10, 24, 28, 30].includes(number)) return internet(cursor, 6);
    throw new Ignored();
  }
  const header = cursor.take({ ethernet: 14, cooked: 16, cooked2: 20 }[link]);
  let type = link === 'cooked2' ? header.readUInt16BE(0) : header.readUInt16BE(header.length - 2);
  for (let tags = 0; TAGS.has(type); tags += 1) {
    if (tags === 4 + (link === 'cooked2' ? 1 : 0)) throw new Malformed();
    type = cursor.take(4).readUInt16BE(2);
  }
  if (type === 0x0800) return internet(cursor, 4);
  if (type === 0x86dd) return internet(cursor, 6);
  throw new Ignored();
}

function internet(cursor: Cursor, expected: number | undefined): string {
  const version = (cursor.bytes[0] ?? 0) >> 4;
  if (cursor.bytes.length === 0 || (expected ?? version) !== version) throw new Malformed();
  if (version === 4) return version4(cursor);
  if (version === 6) return version6(cursor);
  throw new Malformed();
}

function version4(cursor: Cursor): string {
  const captured = cursor.bytes.length;
  const fixed = cursor.take(20);
  const header = ((fixed[0] ?? 0) & 15) * 4;
  const total = fixed.readUInt16BE(2) === 0 ? captured : fixed.readUInt16BE(2);
  if (header < 20 || total < header) throw new Malformed();
  cursor.take(header - 20);
  if (fixed.readUInt16BE(6) % 8192 !== 0) throw new Ignored();
  const from = [...fixed.subarray(12, 16)].join('.');
  const to = [...fixed.subarray(16, 20)].join('.');
  return `${from} > ${to} ${transport(fixed[9] ?? 0, cursor, total - header)}`;
}

function version6(cursor: Cursor): string {
  const fixed = cursor.take(40);
  const length = fixed.readUInt16BE(4) === 0 ? cursor.bytes.length : fixed.readUInt16BE(4);
  let left = length;
  let next = fixed[6] ?? 0;
  for (let count = 1; [0, 43, 44, 51, 60].includes(next); count += 1) {
    if (count > 8 || left < 8 || cursor.bytes.length < 8) throw new Malformed();
    const head = cursor.bytes;
    if (next === 44 && head.readUInt16BE(2) >> 3 !== 0) throw new Ignored();
    if (next === 43 && head[3] !== 0) throw new Ignored();
    const size =
      next === 44 ? 8 : next === 51 ? ((head[1] ?? 0) + 2) * 4 : ((head[1] ?? 0) + 1) * 8;
    next = head[0] ?? 0;
    // What lies behind the captured bytes only matters if something must be read there.
    cursor.bytes = cursor.bytes.subarray(size);
    left -= size;
  }
  return `${text6(fixed.subarray(8, 24))} > ${text6(fixed.subarray(24, 40))} ${transport(next, cursor, left)}`;
}

/** Canonical by another hand: ipaddr.js, and dotted quads for v4-mapped ones. */
export function text6(bytes: Buffer): string {
  const address = new ipaddr.IPv6([...bytes]);
  return address.isIPv4MappedAddress()
    ? address.toIPv4Address().toString()
    : address.toRFC5952String();
}

function transport(protocol: number, cursor: Cursor, left: number): string {
  if (protocol !== 6 && protocol !== 17) throw new Ignored();
  const header = cursor.take(protocol === 6 ? 20 : 8);
  if (left < header.length) throw new Malformed();
  const ports = `${header.readUInt16BE(0)} ${header.readUInt16BE(2)}`;
  if (protocol === 17) {
    const length = header.readUInt16BE(4);
    if (length > 0 && length < 8) throw new Malformed();
    return `udp ${ports} 0 0`;
  }
  const offset = ((header[12] ?? 0) >> 4) * 4;
  if (offset < 20 || offset > left) throw new Malformed();
  return `tcp ${ports} ${(header[13] ?? 0) & 63} ${header.readUInt32BE(4)}`;
}
