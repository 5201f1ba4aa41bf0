import { readFile } from 'node:fs/promises';

/** The lines of a file; none when it is not there. */
export async function linesOf(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
