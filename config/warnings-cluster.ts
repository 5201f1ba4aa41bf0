/** Warnings about where doors act, and about what has no effect on a host that stands alone. */
import { commandsFor } from './commands.js';
import type { Findings } from './diagnostics.js';
import { ruleChangesOf } from './firewall-rules.js';
import type { Places } from './parse.js';
import type { Configuration, Door } from './types.js';

export function warnOfCluster(
  { options, doors }: Configuration,
  places: Places,
  findings: Findings,
): void {
  if (options.cluster === undefined) warnOfNoCluster(places, doors, findings);
  else for (const door of doors) warnOfOnce(door, places, findings);
}

function warnOfNoCluster(places: Places, doors: readonly Door[], findings: Findings): void {
  const at = (section: string, directive: string, where: string) => {
    const place = places.get(section)?.get(directive);
    const message = `${directive} has no effect${where}, for this host is in no cluster`;
    if (place !== undefined) findings.warning('POSTERN_W_MISPLACED', place, message);
  };
  for (const directive of ['cluster_key_file', 'clock_tolerance', 'run_on'])
    at('options', directive, '');
  for (const { name } of doors) at(name, 'run_on', ` at door [${name}]`);
}

/**
 * `once` at a door that lets a source in: each knock may open on another host, and an extension never
 * finds what it should extend. One-time sequences are different: the host that was knocked acts.
 * (`everywhere` without anything that closes is no mistake: knockd's pairs of an opening and a
 * closing door are such doors.)
 */
function warnOfOnce(door: Door, places: Places, findings: Findings): void {
  if (door.runOn !== 'once' || door.sequence.kind === 'oneTime' || !letsIn(door)) return;
  const place = places.get(door.name)?.get('run_on') ?? places.get('options')?.get('run_on');
  const message =
    `door [${door.name}] opens on one host of the cluster, at each knock perhaps another, so its ` +
    'source does not know where it may go in; run_on = everywhere opens on all';
  findings.warning('POSTERN_W_RUN_ON', place ?? { line: door.line, column: 0 }, message);
}

function letsIn(door: Door): boolean {
  if (door.allow.length > 0) return true;
  return ([4, 6] as const).some((family) => {
    const { start = '', stop } = commandsFor(door, family);
    return stop !== undefined || ruleChangesOf(start).length > 0;
  });
}
