/** What the processes of a program use: processor time and memory, out of /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { setInterval } from 'node:timers';
import { commandLine, descendants } from '../../test/support/process-tree.js';

const LOOK_EVERY_MS = 250;

export interface Memory {
  /** Shared pages counted in parts (PSS), MiB. */
  readonly pssMiB: number;
  /** Shared pages counted for each process, MiB. */
  readonly rssMiB: number;
}

/** The process and everything below it, but for the commands that it runs. */
export function familyOf(pid: number): number[] {
  return [pid, ...descendants(pid)];
}

/**
 * Processor seconds (user and system) of each process that runs, by its role. Children that have
 * ended are left out: they were commands, whose time is the operator's.
 */
export function cpuSeconds(pid: number): Map<string, number> {
  const byRole = new Map<string, number>();
  for (const each of familyOf(pid)) {
    const role = roleOf(each, pid);
    byRole.set(role, (byRole.get(role) ?? 0) + processSeconds(each));
  }
  return byRole;
}

export function total(seconds: ReadonlyMap<string, number>): number {
  return [...seconds.values()].reduce((sum, each) => sum + each, 0);
}

function roleOf(pid: number, root: number): string {
  if (pid === root) return 'core';
  const command = commandLine(pid);
  return command.includes('redis-server')
    ? 'redis'
    : command.includes('sensor')
      ? 'sensor'
      : 'other';
}

/** What the scheduler counts, in nanoseconds; `stat` has ticks of 10 ms. All threads that run. */
function processSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of threadsOf(pid)) {
    const [ran = ''] = readOrEmpty(`/proc/${pid}/task/${thread}/schedstat`).split(' ');
    nanoseconds += Number(ran);
  }
  return nanoseconds / 1e9;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    // It ended meanwhile.
    return [];
  }
}

export function memoryOf(pids: readonly number[]): Memory {
  let [pss, rss] = [0, 0];
  for (const pid of pids) {
    const text = readOrEmpty(`/proc/${pid}/smaps_rollup`);
    pss += kilobytes(text, 'Pss');
    rss += kilobytes(text, 'Rss');
  }
  return { pssMiB: pss / 1024, rssMiB: rss / 1024 };
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

/**
 * Looks at the memory of a family again and again; `stop` gives the most that was seen. Of what grew
 * nothing is shared, so that the resident size tells it, which costs next to nothing: a look at the
 * shares takes milliseconds of a processor, and a sensor that waits so long loses packets.
 */
export function watchMemory(pid: number): { stop(): Memory } {
  const before = memoryOf(familyOf(pid));
  const family = familyOf(pid);
  const resident = () => family.reduce((sum, each) => sum + residentMiB(each), 0);
  const firstMiB = resident();
  let mostMiB = firstMiB;
  const look = () => {
    mostMiB = Math.max(mostMiB, resident());
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
      const grownMiB = mostMiB - firstMiB;
      return { pssMiB: before.pssMiB + grownMiB, rssMiB: before.rssMiB + grownMiB };
    },
  };
}

function residentMiB(pid: number): number {
  return kilobytes(readOrEmpty(`/proc/${pid}/status`), 'VmRSS') / 1024;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}
