/**
 * The floor of a start command: runs commands at given times, just as a program in Node would that
 * had nothing else to do. Input: one JSON object on standard input. Output: `NAME WALL_MS` of each,
 * just before it is started.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { wallMs } from './lib/wall.js';

export interface FloorInput {
  readonly commands: readonly TimedCommand[];
}

export interface TimedCommand {
  readonly name: string;
  /** After the start, milliseconds; in order. */
  readonly afterMs: number;
  readonly command: string;
}

async function main({ commands }: FloorInput): Promise<void> {
  const startMs = performance.now();
  let said = '';
  for (const { name, afterMs, command } of commands) {
    const waitMs = afterMs - (performance.now() - startMs);
    if (waitMs > 0) await sleep(waitMs);
    said += `${name} ${wallMs()}\n`;
    spawn('/bin/sh', ['-c', command], { stdio: 'ignore' });
  }
  process.stdout.write(said);
}

const [, program] = process.argv;
if (program?.endsWith('latency-floor.js')) await main(JSON.parse(await text(process.stdin)));
