/**
 * What a command writes, as lines for the log: bounded, because a command may be told what to write
 * by whoever knocks, and with control characters escaped, so that no line can forge another or
 * drive a terminal (DESIGN 9, T9).
 */
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { escapeControls } from '../config/diagnostics.js';

export const MAX_OUTPUT_LINES = 100;
export const MAX_OUTPUT_BYTES = 16 * 1024;
const MAX_LINE_CHARACTERS = 1024;

/** Shared by the streams of one command; counts down what may still be logged of it. */
export interface OutputBudget {
  lines: number;
  bytes: number;
}

export function outputBudget(): OutputBudget {
  return { lines: MAX_OUTPUT_LINES, bytes: MAX_OUTPUT_BYTES };
}

/**
 * Hands each line of the stream to `write`, escaped, until the budget is used up; says so once, and
 * then reads on without a word, so that the writer is never blocked. Returns a disposer that hands
 * over an unfinished last line and stops reading.
 */
export function logLines(
  stream: Readable,
  budget: OutputBudget,
  write: (line: string) => void,
): () => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';

  function put(line: string): void {
    if (budget.lines <= 0) return;
    budget.lines -= 1;
    write(escapeControls(line));
    if (budget.lines === 0) write('(more output is not logged)');
  }

  function take(chunk: Buffer): void {
    if (budget.lines <= 0 || budget.bytes <= 0) return;
    const kept = chunk.subarray(0, budget.bytes);
    budget.bytes -= kept.length;
    const lines = (rest + decoder.write(kept)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) put(line);
    while (rest.length > MAX_LINE_CHARACTERS) {
      put(rest.slice(0, MAX_LINE_CHARACTERS));
      rest = rest.slice(MAX_LINE_CHARACTERS);
    }
    if (budget.bytes === 0) exhaust();
  }

  function exhaust(): void {
    flush();
    budget.lines = Math.min(budget.lines, 1);
    put('');
  }

  function flush(): void {
    const last = rest + decoder.end();
    rest = '';
    if (last !== '') put(last);
  }

  const ended = () => flush();
  stream.on('data', take);
  stream.once('end', ended);
  // A reset by the other end is an end.
  stream.on('error', ended);
  return () => {
    stream.off('data', take);
    stream.off('end', ended);
    stream.pause();
    flush();
  };
}
