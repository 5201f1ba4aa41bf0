/**
 * Sends IPv4 frames from ever new source addresses at an even pace, from a raw socket in the
 * client's namespace. Input: one JSON object in argv. Output: one JSON object when it is done.
 */
import capModule from 'cap';
import { SOURCE_AT } from './lib/frames.js';

export interface FloodInput {
  readonly device: string;
  /** Frames in hexadecimal; each source sends all of them, one after the other. */
  readonly frames: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
  /** The first source address as a number; the next sources follow. */
  readonly firstSource: number;
  /** After so many sources it begins again with the first. */
  readonly sources: number;
}

export interface FloodOutput {
  readonly sent: number;
  readonly seconds: number;
}

const IP_AT = 14;
const CHECKSUM_AT = 24;
/** Less than a burst: waits are rounded up by the kernel's timer slack, 50 µs. */
const WAIT_MS = 0.02;
/** Who was held up catches up no faster than this at a time: a wire carries no heap of packets. */
const MAX_BURST = 32;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function flood(input: FloodInput): FloodOutput {
  const { device, perSecond, seconds, firstSource, sources } = input;
  const cap = new capModule.Cap();
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  const frames = input.frames.map((hex) => Buffer.from(hex, 'hex'));
  const bare = frames.map(sumWithoutSource);
  const startMs = performance.now();
  let sent = 0;
  for (;;) {
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= seconds * 1000) break;
    const due = Math.floor((elapsedMs / 1000) * perSecond);
    Atomics.wait(sleeper, 0, 0, WAIT_MS);
    for (const until = Math.min(due, sent + MAX_BURST); sent < until; sent++) {
      const which = sent % frames.length;
      const turn = Math.floor(sent / frames.length);
      const frame = frames[which] ?? Buffer.alloc(0);
      const source = firstSource + (turn % sources);
      frame.writeUInt32BE(source, SOURCE_AT);
      frame.writeUInt16BE(
        folded((bare[which] ?? 0) + (source >>> 16) + (source & 0xffff)),
        CHECKSUM_AT,
      );
      cap.send(frame, frame.length);
    }
  }
  const tookMs = performance.now() - startMs;
  cap.close();
  return { sent, seconds: tookMs / 1000 };
}

/** The sum of the IP header's words but for source address and checksum. */
function sumWithoutSource(frame: Buffer): number {
  let sum = 0;
  for (let at = IP_AT; at < IP_AT + 20; at += 2) {
    const counts = at !== CHECKSUM_AT && at !== SOURCE_AT && at !== SOURCE_AT + 2;
    if (counts) sum += frame.readUInt16BE(at);
  }
  return sum;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + (rest >>> 16);
  return ~rest & 0xffff;
}

const [, program, argument] = process.argv;
if (program?.endsWith('flood-sender.js') && argument !== undefined) {
  process.stdout.write(`${JSON.stringify(flood(JSON.parse(argument)))}\n`, () => process.exit(0));
}
