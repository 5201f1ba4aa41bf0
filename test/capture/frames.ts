/** Builds frames by hand, so that tests depend on no code of the parser's. */

export const LINK_NUMBERS = { ethernet: 1, cooked: 113, cooked2: 276, raw: 101, null: 0 } as const;

export interface Transport {
  readonly sourcePort?: number;
  readonly port: number;
  readonly flags?: number;
  readonly sequence?: number;
}

function u16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

export function tcp({ sourcePort = 40_000, port, flags = 2, sequence = 0 }: Transport): Buffer {
  const high = Math.floor(sequence / 65_536);
  const ports = [...u16(sourcePort), ...u16(port)];
  const numbers = [...u16(high), ...u16(sequence & 65_535), 0, 0, 0, 0];
  return Buffer.from([...ports, ...numbers, 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
}

export function udp({ sourcePort = 40_000, port }: Transport, payload = Buffer.alloc(4)): Buffer {
  const length = 8 + payload.length;
  return Buffer.from([...u16(sourcePort), ...u16(port), ...u16(length), 0, 0, ...payload]);
}

export interface Ip4 {
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly options?: Buffer;
  /** Bytes 6 and 7: flags and fragment offset. */
  readonly fragment?: number;
  readonly total?: number;
}

export function ip4(protocol: number, payload: Buffer, ip: Ip4 = {}): Buffer {
  const options = ip.options ?? Buffer.alloc(0);
  const header = 20 + options.length;
  const first = [0x40 | (header / 4), 0, ...u16(ip.total ?? header + payload.length), 0, 1];
  const second = [...u16(ip.fragment ?? 0), 64, protocol, 0, 0];
  const ends = [...(ip.source ?? [192, 0, 2, 9]), ...(ip.destination ?? [192, 0, 2, 1])];
  return Buffer.concat([Buffer.from([...first, ...second, ...ends]), options, payload]);
}

export const IP6_SOURCE = Buffer.from('fd000db8000000000000000000000009', 'hex');
export const IP6_DESTINATION = Buffer.from('fd000db8000000000000000000000001', 'hex');

/** `chain`: extension headers in order, each its number and its bytes from the second on. */
export function ip6(
  protocol: number,
  payload: Buffer,
  chain: readonly (readonly [number, Buffer])[] = [],
  ends: { readonly source?: Buffer; readonly destination?: Buffer; readonly length?: number } = {},
): Buffer {
  const numbers = [...chain.map(([number]) => number), protocol];
  const headers = chain.map(([, rest], i) =>
    Buffer.concat([Buffer.from([numbers[i + 1] ?? 59]), rest]),
  );
  const body = Buffer.concat([...headers, payload]);
  const first = [0x60, 0, 0, 0, ...u16(ends.length ?? body.length), numbers[0] ?? 59, 64];
  const addresses = [ends.source ?? IP6_SOURCE, ends.destination ?? IP6_DESTINATION];
  return Buffer.concat([Buffer.from(first), ...addresses, body]);
}

/** Bytes of an extension header from its second on; `units` of 8 bytes beyond the first. */
export function extension(units = 0, third = 0, fourth = 0): Buffer {
  return Buffer.from([units, third, fourth, ...Array(4 + units * 8).fill(0)]);
}

/** A fragment header: offset in units of 8 bytes. */
export function fragment(offset: number, more = true): Buffer {
  return Buffer.from([0, ...u16((offset << 3) | (more ? 1 : 0)), 0, 0, 0, 7]);
}

/** Authentication header: `words` of 4 bytes beyond the second. */
export function authentication(words = 4): Buffer {
  return Buffer.from([words, ...Array((words + 2) * 4 - 2).fill(0)]);
}

export type Link = keyof typeof LINK_NUMBERS;

/** Puts an IP packet into a frame. `tags`: EtherType and VLAN id of each, the outer one first. */
export function frameOf(
  link: Link,
  packet: Buffer,
  tags: readonly (readonly [number, number])[] = [],
  type = (packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800,
): Buffer {
  const types = [...tags.map(([tag]) => tag), type];
  const rest = tags.flatMap(([, id], i) => [...u16(id), ...u16(types[i + 1] ?? 0)]);
  const first = u16(types[0] ?? 0);
  switch (link) {
    case 'ethernet':
      return Buffer.from([...Array(12).fill(2), ...first, ...rest, ...packet]);
    case 'cooked':
      return Buffer.from([0, 0, 0, 1, 0, 6, ...Array(8).fill(2), ...first, ...rest, ...packet]);
    case 'cooked2':
      return Buffer.from([...first, ...Array(18).fill(2), ...rest, ...packet]);
    case 'raw':
      return packet;
    case 'null':
      return Buffer.from([type === 0x0800 ? 2 : 10, 0, 0, 0, ...packet]);
  }
}

/** A pcap file of the frames; the time of each, in seconds, is its number. */
export function pcapOf(link: Link, frames: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(LINK_NUMBERS[link], 20);
  const records = frames.map((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([head, ...records]);
}

/** The numbers of the frames in a pcap file that `pcapOf`'s frames were filtered into. */
export function numbersIn(pcap: Buffer): Set<number> {
  const numbers = new Set<number>();
  for (let at = 24; at + 16 <= pcap.length; at += 16 + pcap.readUInt32LE(at + 8))
    numbers.add(pcap.readUInt32LE(at));
  return numbers;
}
