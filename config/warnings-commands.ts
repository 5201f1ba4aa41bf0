/** Warnings about what a door runs: mostly G9, doors whose stop does not take back their own start. */
import {
  actingSinks,
  type Commands,
  commandsFor,
  isShared,
  namesSource,
  sharedCommands,
} from './commands.js';
import type { Findings, Place } from './diagnostics.js';
import { ruleChangesOf, sameRule } from './firewall-rules.js';
import type { Door } from './types.js';
import type { Locate } from './warnings.js';

export function warnOfCommands(door: Door, locate: Locate, findings: Findings): void {
  const place = locate(door, 'Start_Command', 'Start_Command_6', 'Stop_Command');
  const ipv4 = commandsFor(door, 4);
  const ipv6 = commandsFor(door, 6);
  if (ipv4.start === undefined && ipv6.start === undefined) {
    warnOfNoStart(door, place, findings);
    return;
  }
  const stopPlace = locate(door, 'Stop_Command', 'Stop_Command_6', 'Start_Command');
  if (isShared(door, 4) || isShared(door, 6))
    findings.warning(
      'POSTERN_W_SHARED_DOOR',
      place,
      `door [${door.name}] opens for everyone: its commands hold no %IP%; while it is open ` +
        'another source extends it, and the stop runs once, at the latest deadline',
    );
  else if (actingSinks(door).length > 0 && [ipv4, ipv6].some(sharedCommands))
    findings.warning(
      'POSTERN_W_SHARED_DOOR',
      place,
      `door [${door.name}] has a module, which is for each source alone, and commands without %IP%: ` +
        'its stop command runs when one source is shut out, while another may still be in',
    );
  const pairs = sameCommands(ipv4, ipv6) ? [ipv4] : [ipv4, ipv6];
  const reasons = new Set(pairs.flatMap(problemsOf));
  for (const reason of reasons)
    findings.warning('POSTERN_W_STOP_NOT_INVERSE', stopPlace, `door [${door.name}]: ${reason}`);
}

function warnOfNoStart(door: Door, place: Place, findings: Findings): void {
  const stops = Boolean(door.stopCommand || door.stopCommand6);
  const doesMore = door.allow.length > 0 || door.sinks.length > 0;
  if (doesMore && !stops) return;
  const does = doesMore
    ? 'has no Start_Command'
    : 'has no command, no allow and no sinks, so opening it does nothing';
  const stop = stops ? ', and its Stop_Command never runs' : '';
  findings.warning('POSTERN_W_NO_COMMAND', place, `door [${door.name}] ${does}${stop}`);
}

function sameCommands(one: Commands, other: Commands): boolean {
  return one.start === other.start && one.stop === other.stop;
}

function problemsOf({ start, stop }: Commands): readonly string[] {
  if (start === undefined) return [];
  return [
    ...deletesByNumber(start, 'start'),
    ...deletesByNumber(stop ?? '', 'stop'),
    ...addsForEveryone(start),
    ...(stop === undefined ? [] : notInverse(start, stop)),
  ];
}

function deletesByNumber(command: string, which: string): readonly string[] {
  const numbered = ruleChangesOf(command).some(
    ({ kind, byNumber }) => kind === 'delete' && byNumber,
  );
  if (!numbered) return [];
  return [
    `the ${which} command deletes a firewall rule by its number, whosever rule that is by then; ` +
      'delete by the same text the rule was added with',
  ];
}

function addsForEveryone(start: string): readonly string[] {
  const everyone = ruleChangesOf(start).some(
    ({ kind, rule }) => kind === 'add' && !namesSource(rule),
  );
  if (!everyone) return [];
  return ['the start command adds a firewall rule without %IP%, so it holds for every source'];
}

function notInverse(start: string, stop: string): readonly string[] {
  if (namesSource(start) !== namesSource(stop))
    return [
      namesSource(start)
        ? 'the stop command holds no %IP% but the start command does: it cannot take back just what this source was given'
        : 'the stop command holds %IP% but the start command does not: it cannot take back what was given to everyone',
    ];
  const added = ruleChangesOf(start).filter(({ kind }) => kind === 'add');
  const deleted = ruleChangesOf(stop).filter(
    ({ kind, byNumber }) => kind === 'delete' && !byNumber,
  );
  // A script, or another tool: what it does cannot be told from here.
  if (added.length === 0 || deleted.length === 0) return [];
  const left = added.some((rule) => !deleted.some((other) => sameRule(rule, other)));
  const foreign = deleted.some((rule) => !added.some((other) => sameRule(rule, other)));
  if (!left && !foreign) return [];
  return [
    left
      ? 'the stop command does not delete every firewall rule that the start command adds'
      : 'the stop command deletes a firewall rule that the start command does not add',
  ];
}
