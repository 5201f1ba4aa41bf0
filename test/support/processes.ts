import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Whether a process of that pid runs. A zombie does not: an orphan's is its new parent's to reap. */
export function pidAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before the state is in brackets and may hold any character.
    return !/^\) [ZX]/.test(stat.slice(stat.lastIndexOf(')')));
  } catch {
    return false;
  }
}

/** Waits until a process has ended; false when it still runs after the time (milliseconds). */
export async function pidGone(pid: number, timeoutMs = 2000): Promise<boolean> {
  const until = Date.now() + timeoutMs;
  while (pidAlive(pid)) {
    if (Date.now() > until) return false;
    await setTimeout(10);
  }
  return true;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

/** Ends a child: SIGTERM, and SIGKILL when it is still there after `graceMs`. Never throws. */
export async function endProcess(child: ChildProcess, graceMs = 2000): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit').catch(() => undefined);
  child.kill('SIGTERM');
  const timer = globalThis.setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(timer);
}
