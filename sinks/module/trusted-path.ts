/** Whether a file is where only those can put another in its place who are trusted (T8). */

import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ownerProblem, ownershipProblem } from '../../config/trusted-file.js';

/** As Linux follows at most. */
const MAX_LINKS = 40;
const STICKY = 0o1000;

/** The file's real path, or what on the way to it is wrong: which folder or link, and why. */
export type TrustedPath =
  | { readonly path: string }
  | { readonly at: string; readonly problem: string };

/**
 * Follows an absolute path to its end. Every folder on the way, and every link, must belong to root
 * or to ourselves; no folder may be written by others, unless it is one like /tmp (sticky), where
 * nobody can touch what is root's or ours. The file at the end is not looked at but for its owner.
 */
export async function trustedPath(path: string): Promise<TrustedPath> {
  const rest = partsOf(path);
  let at = '/';
  let links = 0;
  for (;;) {
    const stats = await lstatOf(at);
    if (typeof stats === 'string') return { at, problem: stats };
    const problem = problemOf(stats, rest.length === 0);
    if (problem !== undefined) return { at, problem };
    if (stats.isSymbolicLink()) {
      links += 1;
      if (links > MAX_LINKS) return { at, problem: 'leads through too many symbolic links' };
      rest.unshift(...partsOf(resolve(dirname(at), await readlink(at))));
      at = '/';
      continue;
    }
    const next = rest.shift();
    if (next === undefined) return { path: at };
    if (!stats.isDirectory()) return { at, problem: 'is no folder' };
    at = join(at, next);
  }
}

function partsOf(path: string): string[] {
  return resolve(path)
    .split('/')
    .filter((part) => part !== '');
}

async function lstatOf(path: string): Promise<Stats | string> {
  try {
    return await lstat(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return code === 'ENOENT' ? 'does not exist' : `cannot be looked at: ${code}`;
  }
}

function problemOf(stats: Stats, isEnd: boolean): string | undefined {
  // A link has no mode of its own; the file's is looked at when it is read.
  const isSticky = stats.isDirectory() && (stats.mode & STICKY) !== 0;
  if (stats.isSymbolicLink() || isEnd || isSticky) return ownerProblem(stats);
  return ownershipProblem(stats);
}
