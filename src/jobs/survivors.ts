/** Commands that outlived the process that started them, found by the grant in their environment. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalGroup } from '../../sinks/command.js';

const TERM_GRACE_MS = 1000;
const POLL_MS = 20;

/**
 * Ends every process group with a member that carries one of these grants as POSTERN_GRANT, and one
 * of these hosts as POSTERN_HOST (hosts of a cluster may share a kernel, and a grant): SIGTERM, and a second
 * later SIGKILL. Resolves when they are gone. Our own group is spared.
 */
export async function endSurvivors(
  grants: ReadonlySet<string>,
  hosts: ReadonlySet<string>,
): Promise<number> {
  if (grants.size === 0) return 0;
  const survivors = () => survivingGroups(grants, hosts);
  const groups = survivors();
  for (const group of groups) signalGroup(group, 'SIGTERM');
  if (await areGone(survivors, TERM_GRACE_MS)) return groups.size;
  for (const group of survivors()) signalGroup(group, 'SIGKILL');
  await areGone(survivors, TERM_GRACE_MS);
  return groups.size;
}

async function areGone(survivors: () => ReadonlySet<number>, withinMs: number): Promise<boolean> {
  for (let waited = 0; waited <= withinMs; waited += POLL_MS) {
    if (survivors().size === 0) return true;
    await sleep(POLL_MS);
  }
  return false;
}

function survivingGroups(
  grants: ReadonlySet<string>,
  hosts: ReadonlySet<string>,
): ReadonlySet<number> {
  const groups = new Set<number>();
  const own = groupOf('self');
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = read(`/proc/${name}/environ`);
    const grant = variable(environment, 'GRANT');
    if (grant === undefined || !grants.has(grant)) continue;
    // An older postern did not say which host it was, and had no grants of other hosts.
    const host = variable(environment, 'HOST');
    if (host !== undefined && !hosts.has(host)) continue;
    const group = groupOf(name);
    if (group !== undefined && group > 1 && group !== own) groups.add(group);
  }
  return groups;
}

function variable(environment: string, name: 'GRANT' | 'HOST'): string | undefined {
  return new RegExp(`(?:^|\\0)POSTERN_${name}=([^\\0]*)`).exec(environment)?.[1];
}

/** The process group: the third field behind the name, which may hold anything (proc(5)). */
function groupOf(pid: string): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const [, state, , group] = /^ (\S) (\d+) (\d+)/.exec(stat.slice(stat.lastIndexOf(')') + 1)) ?? [];
  return group === undefined || state === 'Z' ? undefined : Number(group);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It ended while we looked, or is none of ours.
  }
}
