import { readdir, readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { PosternError } from '../errors.js';
import type { Log } from '../log/types.js';

const TERM_GRACE_MS = 1500;
const KILL_GRACE_MS = 1000;
const POLL_MS = 5;

/**
 * Ends every redis-server that still works in `dir`: one whose postern was killed would write the
 * same files as the next (DESIGN 10). A process counts only if it is ours, is named redis and has
 * this very folder as its working directory. Call it under the lock of the state folder, so that
 * the server of a living postern is never taken for a survivor.
 *
 * Throws POSTERN_E_STATE_DIR when one cannot be ended.
 */
export async function endSurvivors(dir: string, log: Log): Promise<void> {
  for (const pid of await serversOf(dir)) {
    log.warn({ pid }, 'a redis-server of an earlier run is still there: ending it');
    await endProcess(pid, dir);
  }
}

async function endProcess(pid: number, dir: string): Promise<void> {
  signal(pid, 'SIGTERM');
  if (await gone(pid, TERM_GRACE_MS)) return;
  signal(pid, 'SIGKILL');
  if (await gone(pid, KILL_GRACE_MS)) return;
  throw new PosternError(
    'POSTERN_E_STATE_DIR',
    `redis-server ${pid} of an earlier run uses ${dir} and cannot be ended: end it by hand`,
  );
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself in between, which is what is wanted; `gone` finds out.
  }
}

async function gone(pid: number, withinMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += POLL_MS) {
    const state = await stateOf(pid);
    if (state === undefined || state === 'Z') return true;
    await delay(POLL_MS);
  }
  return false;
}

/** The pids of the redis processes (a rewriting child too) that work in this folder. */
async function serversOf(dir: string): Promise<number[]> {
  const home = await stat(dir);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        if (!(await readFile(`/proc/${pid}/comm`, 'latin1')).startsWith('redis-')) return false;
        const process_ = await stat(`/proc/${pid}`);
        const cwd = await stat(`/proc/${pid}/cwd`);
        return process_.uid === home.uid && cwd.dev === home.dev && cwd.ino === home.ino;
      } catch {
        return false; // ended while we looked, or not ours to look at
      }
    }),
  );
  return pids.filter((_, index) => found[index]);
}

async function stateOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch {
    return undefined;
  }
}
