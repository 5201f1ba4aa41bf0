/** The state folder: everything of postern's that outlives it, readable by its owner alone. */
import { chmod, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PosternError, reasonOf } from './errors.js';

export interface StateDir {
  readonly path: string;
  readonly redis: string;
  readonly configurations: string;
  readonly controlSocket: string;
}

/** The places in a state folder, whether or not it exists. */
export function stateDirAt(path: string): StateDir {
  return {
    path,
    redis: join(path, 'redis'),
    configurations: join(path, 'configurations'),
    controlSocket: join(path, 'control.sock'),
  };
}

/**
 * Makes the folder (0700) or checks the one that is there.
 * @throws PosternError POSTERN_E_STATE_DIR when it cannot be used or belongs to somebody else.
 */
export async function prepareStateDir(path: string): Promise<StateDir> {
  const state = stateDirAt(path);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await ownFolder(path);
    for (const folder of [state.redis, state.configurations]) {
      await mkdir(folder, { mode: 0o700, recursive: true });
      await ownFolder(folder);
    }
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `the state folder ${path} cannot be made or used (${reasonOf(error)}); ` +
        'run as root, or name another one with --state-dir',
      { cause: error },
    );
  }
  return state;
}

async function ownFolder(path: string): Promise<void> {
  const stat = await lstat(path);
  const isOurs = stat.uid === process.geteuid?.();
  if (!stat.isDirectory() || !isOurs) {
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `${path} must be a folder of the user that runs postern; remove it or name another one ` +
        'with --state-dir',
    );
  }
  if ((stat.mode & 0o077) !== 0) await chmod(path, 0o700);
}

/** Ends the name of a file that is being written; one that was left is of a process that was killed. */
export const DRAFT = '.new';

/**
 * Writes a file of the owner alone: whole or not at all, and durable when this resolves.
 * @throws PosternError POSTERN_E_STATE_DIR when it cannot be written, as on a full disk
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}${DRAFT}`;
  try {
    await writeDurably(draft, text);
    await rename(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    // It was not made, or it has its name already.
    await unlink(draft).catch(() => {});
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `${path} cannot be written (${reasonOf(error)}); see that its file system has room and can be written`,
      { cause: error },
    );
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
