/**
 * The classic capture file (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of a
 * 16-byte header and the frame, all in the byte order of the machine that wrote it.
 */
import { PosternError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import { knownLinkType, linkTypeList } from './link-types.js';

export interface CapturedFrame {
  /** The file's own time: milliseconds since the epoch, with a fraction. */
  readonly atMs: number;
  /** As in src/capture: EN10MB 1, RAW 101, LINUX_SLL 113, … */
  readonly linkType: number;
  readonly frame: Uint8Array;
}

export const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** tcpdump's MAXIMUM_SNAPLEN: a longer record is damage, and is not worth the memory. */
const MAX_FRAME_BYTES = 262_144;

export interface Format {
  readonly littleEndian: boolean;
  /** Fractions of a second to a millisecond: 1e3 in a microsecond file, 1e6 in a nanosecond one. */
  readonly fractionsPerMs: number;
  readonly linkType: number;
}

/** Reads the file header. Throws POSTERN_E_REPLAY for anything but a classic capture file. */
export function readFormat(name: string, header: Uint8Array): Format {
  if (header.length === 0) throw unreadable(name, 'it is empty');
  const view = viewOf(header);
  for (const littleEndian of [true, false]) {
    const magic = header.length < 4 ? 0 : view.getUint32(0, littleEndian);
    if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) continue;
    if (header.length < FILE_HEADER_BYTES) throw unreadable(name, 'its header is cut short');
    const fractionsPerMs = magic === 0xa1b2c3d4 ? 1e3 : 1e6;
    // The upper half holds the length of the frame check sequence.
    const written = view.getUint32(20, littleEndian) & 0xffff;
    const linkType = knownLinkType(written);
    if (linkType !== undefined) return { littleEndian, fractionsPerMs, linkType };
    throw unreadable(name, `its link type ${written} is none of ${linkTypeList()}`);
  }
  throw unreadable(name, 'it is no capture file (pcap or pcapng)');
}

/**
 * The frames after the file header. A file that ends inside a record (its writer was killed) ends
 * there, with a warning. Throws POSTERN_E_REPLAY for a record that is longer than any packet.
 */
export async function* readFrames(
  name: string,
  format: Format,
  bytes: ByteQueue,
  warn: (message: string) => void,
): AsyncGenerator<CapturedFrame> {
  const { littleEndian, fractionsPerMs, linkType } = format;
  for (;;) {
    const at = bytes.offset;
    const header = bytes.takeNow(RECORD_HEADER_BYTES) ?? (await bytes.take(RECORD_HEADER_BYTES));
    if (header.length === 0) return;
    if (header.length < RECORD_HEADER_BYTES) return warn(cutShort(name, at));
    const view = viewOf(header);
    const length = view.getUint32(8, littleEndian);
    if (length > MAX_FRAME_BYTES)
      throw unreadable(name, `it is damaged: the record at byte ${at} claims ${length} bytes`);
    const frame = bytes.takeNow(length) ?? (await bytes.take(length));
    if (frame.length < length) return warn(cutShort(name, at));
    const fraction = view.getUint32(4, littleEndian) / fractionsPerMs;
    yield { atMs: view.getUint32(0, littleEndian) * 1000 + fraction, linkType, frame };
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function cutShort(name: string, at: number): string {
  return `${name} ends inside the record at byte ${at}: the packets before it were read`;
}

export function unreadable(name: string, reason: string, cause?: unknown): PosternError {
  const options = cause === undefined ? undefined : { cause };
  return new PosternError('POSTERN_E_REPLAY', `cannot read ${name}: ${reason}`, options);
}
