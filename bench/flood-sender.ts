/**
 * Sends IPv4 frames from ever new source addresses at an even pace, from a raw socket in the
 * client's namespace. Input: one JSON object in argv. Output: one JSON object when it is done.
 */
import capModule from 'cap';
import { Template } from './lib/template.js';

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

/** Less than a burst: waits are rounded up by the kernel's timer slack, 50 µs. */
const WAIT_MS = 0.02;
/** Who was held up catches up no faster than this at a time: a wire carries no heap of packets. */
const MAX_BURST = 32;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function flood(input: FloodInput): FloodOutput {
  const { device, perSecond, seconds, firstSource, sources } = input;
  const cap = new capModule.Cap();
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  const templates = input.frames.map((hex) => new Template(hex));
  const startMs = performance.now();
  let sent = 0;
  for (;;) {
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= seconds * 1000) break;
    const due = Math.floor((elapsedMs / 1000) * perSecond);
    Atomics.wait(sleeper, 0, 0, WAIT_MS);
    for (const until = Math.min(due, sent + MAX_BURST); sent < until; sent++) {
      const template = templates[sent % templates.length];
      if (template === undefined) throw new Error('there is no frame to send');
      const turn = Math.floor(sent / templates.length);
      const frame = template.from(firstSource + (turn % sources));
      cap.send(frame, frame.length);
    }
  }
  const tookMs = performance.now() - startMs;
  cap.close();
  return { sent, seconds: tookMs / 1000 };
}

const [, program, argument] = process.argv;
if (program?.endsWith('flood-sender.js') && argument !== undefined) {
  process.stdout.write(`${JSON.stringify(flood(JSON.parse(argument)))}\n`, () => process.exit(0));
}
