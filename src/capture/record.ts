/**
 * The sensor's record: one parsed frame in 56 bytes, many to a write (DESIGN 1).
 *
 *  0 magic 'K'   1 version   2 protocol (6, 17)   3 flags
 *  4 source port   6 port   8 sequence   12 zero   16 time (f64 ms)   24 source   40 destination
 */
import type { Packet } from '../../machines/types.js';
import { addressText } from './address.js';
import type { ParsedFrame } from './parse.js';

export const RECORD_BYTES = 56;

const MAGIC = 0x4b;
const VERSION = 1;

/** Writes one record at `at`; `atMs` is monotonic milliseconds. */
export function encodeRecord(frame: ParsedFrame, atMs: number, into: Buffer, at: number): void {
  into[at] = MAGIC;
  into[at + 1] = VERSION;
  into[at + 2] = frame.protocol === 'tcp' ? 6 : 17;
  into[at + 3] = frame.flags;
  into.writeUInt16LE(frame.sourcePort, at + 4);
  into.writeUInt16LE(frame.port, at + 6);
  into.writeUInt32LE(frame.sequence, at + 8);
  into.writeUInt32LE(0, at + 12);
  into.writeDoubleLE(atMs, at + 16);
  into.set(frame.source, at + 24);
  into.set(frame.destination, at + 40);
}

/** The packet of a parsed frame. */
export function packetOf(frame: ParsedFrame, atMs: number, interfaceIndex: number): Packet {
  return {
    atMs,
    source: addressText(frame.source),
    destination: addressText(frame.destination),
    protocol: frame.protocol,
    sourcePort: frame.sourcePort,
    port: frame.port,
    flags: frame.flags,
    sequence: frame.sequence,
    interfaceIndex,
  };
}

export interface RecordDecoderOptions {
  readonly interfaceIndex: number;
  /** Monotonic milliseconds; no packet is from later than now, whatever the sensor says. */
  readonly now: () => number;
  readonly onPacket: (packet: Packet) => void;
}

/**
 * Puts records together out of a sensor's chunks. Slots stay aligned whatever they hold: one that is
 * no record is dropped and counted, so a broken or hostile sensor can send nonsense packets but can
 * neither stop the core nor grow its memory. The supervisor replaces a sensor that sends such slots.
 */
export class RecordDecoder {
  /** Slots that were no record. */
  invalid = 0;
  readonly #options: RecordDecoderOptions;
  readonly #rest = Buffer.alloc(RECORD_BYTES);
  #restBytes = 0;

  constructor(options: RecordDecoderOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    const now = this.#options.now();
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(RECORD_BYTES - this.#restBytes, chunk.length);
      chunk.copy(this.#rest, this.#restBytes, 0, at);
      this.#restBytes += at;
      if (this.#restBytes < RECORD_BYTES) return;
      this.#decode(this.#rest, 0, now);
    }
    for (; at + RECORD_BYTES <= chunk.length; at += RECORD_BYTES) this.#decode(chunk, at, now);
    this.#restBytes = chunk.copy(this.#rest, 0, at);
  }

  #decode(bytes: Buffer, at: number, now: number): void {
    const protocol = bytes[at + 2];
    const flags = bytes[at + 3] ?? 0;
    const atMs = bytes.readDoubleLE(at + 16);
    const valid =
      bytes[at] === MAGIC &&
      bytes[at + 1] === VERSION &&
      (protocol === 6 || (protocol === 17 && flags === 0)) &&
      flags < 0x40 &&
      bytes.readUInt32LE(at + 12) === 0 &&
      atMs >= 0; // Not for NaN.
    if (!valid) {
      this.invalid += 1;
      return;
    }
    this.#options.onPacket({
      atMs: Math.min(atMs, now),
      source: addressText(bytes, at + 24),
      destination: addressText(bytes, at + 40),
      protocol: protocol === 6 ? 'tcp' : 'udp',
      sourcePort: bytes.readUInt16LE(at + 4),
      port: bytes.readUInt16LE(at + 6),
      flags,
      sequence: bytes.readUInt32LE(at + 8),
      interfaceIndex: this.#options.interfaceIndex,
    });
  }
}
