/**
 * Sends a given number of IPv4 frames at an even pace, from a raw socket in the client's namespace:
 * in each pass every source sends one frame, the next frame in the next pass. No two packets have
 * the same TCP sequence number, so that none is taken for a retransmission.
 * Input: one JSON object in argv. Output: one JSON object when it is done.
 */
import capModule from 'cap';
import { Template } from './lib/template.js';

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

const SEQUENCE_AT = 38;
const TCP_END = 54;
/** Who was held up does not catch up: a burst would be lost that an even pace would not lose. */
const MAX_BURST = 64;
/** Less than a burst: waits are rounded up by the kernel's timer slack, 50 µs. */
const WAIT_MS = 0.02;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function send(input: PacketSenderInput): PacketSenderOutput {
  const { device, packets, perSecond } = input;
  const cap = new capModule.Cap();
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  const templates = input.frames.map((hex) => new Template(hex));
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

/** The frame of that packet, in the buffer that all packets of its template share. */
function prepared(
  templates: readonly Template[],
  { sources, firstSource, step }: PacketSenderInput,
  packet: number,
  sequence: number,
): Buffer {
  const template = templates[Math.floor(packet / sources) % templates.length];
  if (template === undefined) throw new Error('there is no frame to send');
  const bytes = template.from(firstSource + (packet % sources) * step);
  if (bytes.length >= TCP_END) bytes.writeUInt32BE(sequence, SEQUENCE_AT);
  return bytes;
}

const [, program, argument] = process.argv;
if (program?.endsWith('packet-sender.js') && argument !== undefined) {
  process.stdout.write(`${JSON.stringify(send(JSON.parse(argument)))}\n`, () => process.exit(0));
}
