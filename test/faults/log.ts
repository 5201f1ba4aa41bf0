import type { Program } from '../support/program.js';

/** The next line of postern's log that matches, and when it was written (wall clock, ms). */
export async function logLine(
  program: Program,
  pattern: RegExp,
  from = 0,
): Promise<{ readonly text: string; readonly atMs: number }> {
  const line = new RegExp(`^.*${pattern.source}.*$`, 'm');
  const [text] = await program.waitFor(line, { from });
  const time = /"time":"([^"]+)"/.exec(text)?.[1];
  return { text, atMs: Date.parse(time ?? '') };
}
