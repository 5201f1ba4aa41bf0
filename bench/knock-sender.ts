/**
 * Sends frames at given times from a raw socket in the client's namespace. Input: one JSON object on
 * standard input. Output: for each frame with a name, `NAME WALL_MS` just before it is sent.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import capModule from 'cap';
import { wallMs } from './lib/wall.js';

export interface KnockSenderInput {
  readonly device: string;
  readonly frames: readonly TimedFrame[];
}

export interface TimedFrame {
  /** After the start of the sender, milliseconds; in order. */
  readonly afterMs: number;
  readonly hex: string;
  readonly name?: string;
}

async function main({ device, frames }: KnockSenderInput): Promise<void> {
  const cap = new capModule.Cap();
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  const startMs = performance.now();
  let said = '';
  for (const { afterMs, hex, name } of frames) {
    const waitMs = afterMs - (performance.now() - startMs);
    if (waitMs > 0) await sleep(waitMs);
    const bytes = Buffer.from(hex, 'hex');
    if (name !== undefined) said += `${name} ${wallMs()}\n`;
    cap.send(bytes, bytes.length);
  }
  cap.close();
  process.stdout.write(said, () => process.exit(0));
}

const [, program] = process.argv;
if (program?.endsWith('knock-sender.js')) await main(JSON.parse(await text(process.stdin)));
