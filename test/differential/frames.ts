/** Packets as Ethernet frames, and frames in and out of capture files (pcap, microseconds). */
import type { Packet } from '../../machines/types.js';

export interface Frame {
  readonly atMs: number;
  readonly bytes: Buffer;
}

const PCAP_MAGIC = 0xa1b2c3d4;
const ETHERNET = 1;
const GLOBAL_HEADER = 24;
const RECORD_HEADER = 16;

/** A frame from one hardware address to another (`aa:bb:…`) that carries the packet's header. */
export function frameOf(packet: Packet, from: string, to: string): Buffer {
  const v6 = packet.source.includes(':');
  const transport = packet.protocol === 'tcp' ? tcpHeader(packet) : udpHeader(packet);
  const network = v6 ? ip6Header(packet, transport.length) : ip4Header(packet, transport.length);
  const ethernet = Buffer.concat([
    hardware(to),
    hardware(from),
    Buffer.from(v6 ? [0x86, 0xdd] : [8, 0]),
  ]);
  return Buffer.concat([ethernet, network, transport]);
}

function hardware(address: string): Buffer {
  return Buffer.from(address.replaceAll(':', ''), 'hex');
}

function tcpHeader(packet: Packet): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(packet.sourcePort, 0);
  header.writeUInt16BE(packet.port, 2);
  header.writeUInt32BE(packet.sequence, 4);
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(packet.flags, 13);
  header.writeUInt16BE(64_240, 14);
  return header;
}

function udpHeader(packet: Packet): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(packet.sourcePort, 0);
  header.writeUInt16BE(packet.port, 2);
  header.writeUInt16BE(8, 4);
  return header;
}

function ip4Header(packet: Packet, payload: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + payload, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(packet.protocol === 'tcp' ? 6 : 17, 9);
  Buffer.from(packet.source.split('.').map(Number)).copy(header, 12);
  Buffer.from(packet.destination.split('.').map(Number)).copy(header, 16);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  header.writeUInt16BE(~sum & 0xffff, 10);
  return header;
}

function ip6Header(packet: Packet, payload: number): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(payload, 4);
  header.writeUInt8(packet.protocol === 'tcp' ? 6 : 17, 6);
  header.writeUInt8(64, 7);
  ip6Bytes(packet.source).copy(header, 8);
  ip6Bytes(packet.destination).copy(header, 24);
  return header;
}

/** Sixteen bytes of an address text with one `::` at most. */
function ip6Bytes(address: string): Buffer {
  const words = (text: string) => text.split(':').filter(Boolean);
  const [head = '', tail = ''] = address.split('::');
  const missing = 8 - words(head).length - words(tail).length;
  const all = [...words(head), ...Array<string>(missing).fill('0'), ...words(tail)];
  return Buffer.from(all.map((word) => word.padStart(4, '0')).join(''), 'hex');
}

/** A capture file of the frames, for tcpreplay, which keeps their times. */
export function pcapOf(frames: readonly Frame[]): Buffer {
  const global = Buffer.alloc(GLOBAL_HEADER);
  global.writeUInt32LE(PCAP_MAGIC, 0);
  global.writeUInt16LE(2, 4);
  global.writeUInt16LE(4, 6);
  global.writeUInt32LE(65_535, 16);
  global.writeUInt32LE(ETHERNET, 20);
  const records = frames.flatMap(({ atMs, bytes }) => {
    const header = Buffer.alloc(RECORD_HEADER);
    const micros = Math.round(atMs * 1000);
    header.writeUInt32LE(Math.floor(micros / 1e6), 0);
    header.writeUInt32LE(micros % 1e6, 4);
    header.writeUInt32LE(bytes.length, 8);
    header.writeUInt32LE(bytes.length, 12);
    return [header, bytes];
  });
  return Buffer.concat([global, ...records]);
}

/** The frames of a capture file that tcpdump wrote on this machine; a last cut one is left out. */
export function framesOf(pcap: Buffer): Frame[] {
  const frames: Frame[] = [];
  if (pcap.length < GLOBAL_HEADER) return frames;
  if (pcap.readUInt32LE(0) !== PCAP_MAGIC) throw new Error('not a pcap file of this machine');
  let at = GLOBAL_HEADER;
  while (at + RECORD_HEADER <= pcap.length) {
    const length = pcap.readUInt32LE(at + 8);
    const end = at + RECORD_HEADER + length;
    if (end > pcap.length) break;
    const atMs = pcap.readUInt32LE(at) * 1000 + pcap.readUInt32LE(at + 4) / 1000;
    frames.push({ atMs, bytes: pcap.subarray(at + RECORD_HEADER, end) });
    at = end;
  }
  return frames;
}
