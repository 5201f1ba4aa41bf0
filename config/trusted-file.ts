/** Reads files that decide what is run as root, and refuses those that others could change (T8). */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** What was read, or in one clause why it was not. */
export type TrustedRead =
  | { readonly content: Buffer; readonly stats: Stats }
  | { readonly problem: string };

/**
 * Reads a whole file that only root and we ourselves may own and write. Never waits (a FIFO is
 * refused, not opened for reading until somebody writes) and never reads more than `maxBytes`.
 */
export async function readTrusted(path: string, maxBytes: number): Promise<TrustedRead> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const problem = problemOf(stats, maxBytes);
    if (problem !== undefined) return { problem };
    return { content: await readAtMost(handle, maxBytes), stats };
  } catch (error) {
    return { problem: problemOfError(error) };
  } finally {
    await handle?.close();
  }
}

/** The file may have grown since it was looked at, so the size asked for bounds the reading too. */
async function readAtMost(handle: FileHandle, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  while (total < maxBytes) {
    const size = Math.min(65_536, maxBytes - total);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(size), 0, size, null);
    if (bytesRead === 0) break;
    chunks.push(buffer.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(chunks);
}

function problemOf(stats: Stats, maxBytes: number): string | undefined {
  if (stats.isDirectory()) return 'is a directory; name a file';
  if (!stats.isFile()) return 'is not a regular file';
  if (stats.size > maxBytes) return `is larger than ${maxBytes} bytes`;
  return ownershipProblem(stats);
}

/** T8: why a file or folder must not be trusted: others may write it, or a third user owns it. */
export function ownershipProblem(stats: Stats): string | undefined {
  const owner = ownerProblem(stats);
  if (owner !== undefined) return owner;
  if (stats.mode & 0o020) return 'can be written by its group; chmod go-w it';
  if (stats.mode & 0o002) return 'can be written by everyone; chmod o-w it';
  return undefined;
}

/** T8: neither root nor we ourselves own it. */
export function ownerProblem({ uid }: Stats): string | undefined {
  const own = process.geteuid?.() ?? 0;
  if (uid === 0 || uid === own) return undefined;
  return `belongs to user ${uid}, who could change it; chown it to root`;
}

export function readableByOthers(stats: Stats): boolean {
  return (stats.mode & 0o004) !== 0;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist (a part of its path is no directory)',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: not permitted',
  ELOOP: 'cannot be read: too many symbolic links',
  ENAMETOOLONG: 'cannot be read: the name is too long',
  ENXIO: 'is not a regular file',
};

function problemOfError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return REASONS[code] ?? `cannot be read: ${code}`;
}
