/** Capture files made by hand, for the tests of the reader. */
export interface Written {
  readonly seconds: number;
  readonly fraction: number;
  readonly frame: Uint8Array;
}

export interface Shape {
  readonly littleEndian?: boolean;
  readonly nanoseconds?: boolean;
  readonly linkType?: number;
}

export function pcap(records: readonly Written[], shape: Shape = {}): Buffer {
  const { littleEndian = true, nanoseconds = false, linkType = 1 } = shape;
  const words = (...values: number[]) => {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    for (const [index, value] of values.entries()) view.setUint32(4 * index, value, littleEndian);
    return new Uint8Array(view.buffer);
  };
  const version = littleEndian ? 0x00040002 : 0x00020004;
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const parts: Uint8Array[] = [words(magic, version, 0, 0, 262_144, linkType)];
  for (const { seconds, fraction, frame } of records)
    parts.push(words(seconds, fraction, frame.length, frame.length), frame);
  return Buffer.concat(parts);
}

/** A pcapng file with one section, one Ethernet interface and one packet (little-endian). */
export function pcapng(frame: Uint8Array): Buffer {
  const block = (type: number, ...body: Uint8Array[]) => {
    const content = Buffer.concat(body);
    const padded = Buffer.alloc(Math.ceil(content.length / 4) * 4);
    content.copy(padded);
    const total = padded.length + 12;
    return Buffer.concat([words(type, total), padded, words(total)]);
  };
  const words = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
  const section = block(0x0a0d0d0a, words(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff));
  const device = block(1, words(1, 262_144));
  // Microseconds since the epoch, upper word first.
  const at = 1_700_000_000_250_000;
  const time = words(Math.floor(at / 2 ** 32), at % 2 ** 32);
  const packet = block(6, words(0), time, words(frame.length, frame.length), frame);
  return Buffer.concat([section, device, packet]);
}
