/** Files that `postern check` cannot judge as the user that runs it. */
import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/**
 * Those that only another user may read, or that are right for another user alone: postern may run as
 * that one.
 */
export async function foreignFiles(paths: readonly string[]): Promise<readonly string[]> {
  const verdicts = await Promise.all(paths.map(isForAnother));
  return paths.filter((_, index) => verdicts[index]);
}

/** What is said of one that was passed over. */
export function foreignNote(file: string, path: string): string {
  return `${file}: note: ${path} is another user's; check as the user that runs postern`;
}

async function isForAnother(path: string): Promise<boolean> {
  try {
    if (isOfAnother(await stat(path))) return true;
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await file.close();
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES';
  }
}

/** Root may read everything, but would refuse what belongs to the user that postern runs as. */
function isOfAnother({ uid }: Stats): boolean {
  return uid !== 0 && process.geteuid?.() === 0;
}
