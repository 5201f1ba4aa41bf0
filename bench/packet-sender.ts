/**
 * Sends a given number of IPv4 frames at an even pace, from a raw socket in the client's namespace:
 * in each pass every source sends one frame, the next frame in the next pass. No two packets have
 * the same TCP sequence number, so that none is taken for a retransmission.
 * Input: one JSON object in argv. Output: one JSON object when it is done.
 */
import capModule from 'cap';
import { SOURCE_AT } from './lib/frames.js';

export interface PacketSenderInput {
  readonly device: string;
  /** In hexadecimal, from the source 0.0.0.0. */
  readonly frames: readonly string[];
  readonly perSecond: number;
  readonly packets: number;
  /** The first source address as a number. */
  readonly firstSource: number;
  readonly sources: number;
  /** From one source's address to the next one's. */
  readonly step: number;
}

export interface PacketSenderOutput {
  readonly sent: number;
  readonly seconds: number;
}

const CHECKSUM_AT = 24;
const SEQUENCE_AT = 38;
const TCP_END = 54;
/** Who was held up does not catch up: a burst would be lost that an even pace would not lose. */
const MAX_BURST = 64;
/** Less than a burst: waits are rounded up by the kernel's timer slack, 50 µs. */
const WAIT_MS = 0.02;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

interface Template {
  readonly bytes: Buffer;
  /** The IP header's checksum, taken back: the sum of all words but for the source's. */
  readonly sum: number;
}

function send(input: PacketSenderInput): PacketSenderOutput {
  const { device, packets, perSecond } = input;
  const cap = new capModule.Cap();
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  const templates = input.frames.map(templateOf);
  const firstSequence = Math.floor(Math.random() * 2 ** 32);
  const startMs = performance.now();
  let heldUpMs = 0;
  let sent = 0;
  while (sent < packets) {
    const elapsedMs = performance.now() - startMs - heldUpMs;
    const ahead = Math.floor((elapsedMs / 1000) * perSecond) - sent;
    if (ahead <= 0) Atomics.wait(sleeper, 0, 0, WAIT_MS);
    if (ahead > MAX_BURST) heldUpMs += ((ahead - MAX_BURST) / perSecond) * 1000;
    const due = Math.min(packets, sent + Math.min(ahead, MAX_BURST));
    for (; sent < due; sent++) {
      const frame = prepared(templates, input, sent, (firstSequence + sent) >>> 0);
      cap.send(frame, frame.length);
    }
  }
  const tookMs = performance.now() - startMs;
  cap.close();
  return { sent, seconds: tookMs / 1000 };
}

function templateOf(hex: string): Template {
  const bytes = Buffer.from(hex, 'hex');
  return { bytes, sum: ~bytes.readUInt16BE(CHECKSUM_AT) & 0xffff };
}

/** The frame of that packet, in the buffer that all packets of its template share. */
function prepared(
  templates: readonly Template[],
  { sources, firstSource, step }: PacketSenderInput,
  packet: number,
  sequence: number,
): Buffer {
  const template = templates[Math.floor(packet / sources) % templates.length];
  if (template === undefined) throw new Error('there is no frame to send');
  const { bytes, sum } = template;
  const source = firstSource + (packet % sources) * step;
  bytes.writeUInt32BE(source, SOURCE_AT);
  bytes.writeUInt16BE(folded(sum + (source >>> 16) + (source & 0xffff)), CHECKSUM_AT);
  if (bytes.length >= TCP_END) bytes.writeUInt32BE(sequence, SEQUENCE_AT);
  return bytes;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + (rest >>> 16);
  return ~rest & 0xffff;
}

const [, program, argument] = process.argv;
if (program?.endsWith('packet-sender.js') && argument !== undefined) {
  process.stdout.write(`${JSON.stringify(send(JSON.parse(argument)))}\n`, () => process.exit(0));
}
