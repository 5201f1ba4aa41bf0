/**
 * Sends knocks from a raw socket in the client's namespace and says how long after the last packet
 * the door's command ran. The command writes its own time (`date +%s%N`), so both stamps are of the
 * same wall clock. Input: one JSON object in argv; output: milliseconds, one a line.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import capModule from 'cap';

export interface SenderInput {
  readonly device: string;
  /** Frames of one knock sequence, hex; the last one is stamped. */
  readonly frames: readonly string[];
  /** The file the command appends its time to. */
  readonly stamps: string;
  readonly count: number;
}

/** Between knocks: longer than knockd's poll, and not in step with it. */
const PAUSE_MS = 130;
const BETWEEN_HITS_MS = 5;
const GIVE_UP_MS = 5000;

/** Milliseconds since the epoch, with microseconds. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Lines of `date +%s%N`, as milliseconds since the epoch. */
export function stampsIn(file: string): number[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => Number(BigInt(line) / 1000n) / 1000);
}

async function main(input: SenderInput): Promise<void> {
  const { device, frames, stamps, count } = input;
  const cap = new capModule.Cap();
  // Nothing is to be captured here; a filter that nothing passes keeps it quiet.
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  const hits = frames.map((hex) => Buffer.from(hex, 'hex'));
  for (let n = 0; n < count; n++) {
    const before = stampsIn(stamps).length;
    for (const hit of hits.slice(0, -1)) {
      cap.send(hit, hit.length);
      await sleep(BETWEEN_HITS_MS);
    }
    const last = hits.at(-1) ?? Buffer.alloc(0);
    const sentMs = wallMs();
    cap.send(last, last.length);
    const ranMs = await nextStamp(stamps, before, sentMs + GIVE_UP_MS);
    process.stdout.write(`${(ranMs - sentMs).toFixed(3)}\n`);
    await sleep(PAUSE_MS + Math.random() * 50);
  }
  cap.close();
  process.exit(0);
}

async function nextStamp(file: string, before: number, untilMs: number): Promise<number> {
  for (;;) {
    const stamp = stampsIn(file)[before];
    if (stamp !== undefined) return stamp;
    if (wallMs() > untilMs) throw new Error('the command did not run within 5 s');
    await sleep(10);
  }
}

const [, program, argument] = process.argv;
if (program?.endsWith('raw-sender.js') && argument !== undefined) {
  await main(JSON.parse(argument));
}
