/**
 * What is legal in a configuration but probably not meant, or weak: the warnings of
 * `postern check`. Knocks are named by their position in the sequence, never by port (DESIGN 9).
 */
import type { Knock, Protocol } from '../machines/types.js';
import { type Findings, findingsOf, type Place, quoted, WHOLE_FILE } from './diagnostics.js';
import type { ParsedConfiguration, Places } from './parse.js';
import type { Configuration, Diagnostic, Door } from './types.js';
import { warnOfAllow, warnOfFirewallOptions } from './warnings-allow.js';
import { warnOfCluster } from './warnings-cluster.js';
import { warnOfCommands } from './warnings-commands.js';
import { warnOfOrder, warnOfOverlaps } from './warnings-sequences.js';
import { sinksMayClose, warnOfSinks } from './warnings-sinks.js';

/** What this host looks like; what is not given is not warned of. */
export interface HostFacts {
  /** Whether something on this host listens on the port. */
  readonly isListening?: (protocol: Protocol, port: number) => boolean;
  /** Names of the interfaces that exist. */
  readonly interfaces?: readonly string[];
}

/** Where a directive of a door stands; else where its section begins. */
export type Locate = (door: Door, ...directives: readonly string[]) => Place;

/** Warnings about a configuration that loaded, in no particular order. */
export function configurationWarnings(
  configuration: Configuration,
  places: ParsedConfiguration['places'],
  host: HostFacts = {},
): readonly Diagnostic[] {
  const findings = findingsOf(configuration.file);
  const locate = locateIn(places);
  for (const door of configuration.doors) {
    const place = locate(door, 'Sequence');
    warnOfFlags(door, locate, findings);
    warnOfTimes(door, sinksMayClose(door, configuration.sinks), places, locate, findings);
    warnOfCommands(door, locate, findings);
    warnOfAllow(door, configuration.options, locate, findings);
    if (door.sequence.kind === 'fixed') {
      warnOfOrder(door, door.sequence.knocks, place, findings);
      warnOfListeners(door, door.sequence.knocks, host, place, findings);
    }
  }
  warnOfOverlaps(configuration.doors, locate, findings);
  warnOfFirewallOptions(configuration, findings);
  warnOfCluster(configuration, places, findings);
  warnOfSinks(configuration, places, findings);
  warnOfInterfaces(configuration, host, findings);
  return findings.list;
}

function locateIn(places: Places): Locate {
  return (door, ...directives) => {
    const known = places.get(door.name);
    const found = directives.map((name) => known?.get(name)).find(Boolean);
    return found ?? { line: door.line, column: 0 };
  };
}

function warnOfFlags(door: Door, locate: Locate, findings: Findings): void {
  if (door.sequence.kind !== 'fixed') return;
  const tcp = door.sequence.knocks.some(({ protocol }) => protocol === 'tcp');
  const flags = door.tcpFlags.required !== 0 || door.tcpFlags.excluded !== 0;
  if (tcp && !flags)
    findings.warning(
      'POSTERN_W_TCPFLAGS',
      locate(door, 'Sequence'),
      `door [${door.name}] has no TCPFlags, so any TCP packet counts as a knock and can spoil an ` +
        'attempt; add TCPFlags = syn',
    );
  if (!tcp && flags)
    findings.warning(
      'POSTERN_W_TCPFLAGS',
      locate(door, 'TCPFlags'),
      `TCPFlags have no effect on the knocks of door [${door.name}], which are all UDP`,
    );
}

function warnOfTimes(
  door: Door,
  tellsOfEnd: boolean,
  places: Places,
  locate: Locate,
  findings: Findings,
): void {
  const allows = door.allow.length > 0;
  const stops = Boolean(door.stopCommand || door.stopCommand6);
  const given = places.get(door.name)?.has('Cmd_Timeout') ?? false;
  if ((allows || stops) && !given)
    findings.warning(
      'POSTERN_W_TIMEOUT',
      locate(door, ...(allows ? ['allow'] : ['Stop_Command', 'Stop_Command_6'])),
      `door [${door.name}] has ${allows ? 'allow' : 'a stop command'} but no Cmd_Timeout; it ` +
        `closes after ${door.cmdTimeoutMs / 1000} seconds`,
    );
  if (!allows && !stops && !tellsOfEnd && given)
    findings.warning(
      'POSTERN_W_TIMEOUT',
      locate(door, 'Cmd_Timeout'),
      `Cmd_Timeout has no effect, for door [${door.name}] has no Stop_Command, no allow, and no ` +
        'sink that is told when it closes',
    );
}

function warnOfListeners(
  door: Door,
  knocks: readonly Knock[],
  { isListening }: HostFacts,
  place: Place,
  findings: Findings,
): void {
  for (const [index, { protocol, port }] of knocks.entries()) {
    if (isListening?.(protocol, port))
      findings.warning(
        'POSTERN_W_LISTENING',
        place,
        `knock ${index + 1} of door [${door.name}] is on a port that something on this host ` +
          'listens on, so ordinary traffic counts as knocks; choose a closed port',
      );
  }
}

function warnOfInterfaces(
  { options }: Configuration,
  { interfaces: present }: HostFacts,
  findings: Findings,
): void {
  for (const name of options.interfaces ?? []) {
    if (present && name !== 'any' && !present.includes(name))
      findings.warning(
        'POSTERN_W_INTERFACE',
        WHOLE_FILE,
        `there is no interface ${/^[a-z]/i.test(name) ? name : quoted(name)} on this host; postern waits until there is one`,
      );
  }
}
