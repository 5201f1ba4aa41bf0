/** Text of a knockd.conf to a typed configuration; pure. Every finding is reported, not the first. */
import { checkClusterOptions } from './cluster.js';
import {
  type Findings,
  findingsOf,
  hasErrors,
  type Place,
  quoted,
  WHOLE_FILE,
} from './diagnostics.js';
import { nearestDirective } from './directives.js';
import { DOOR_DIRECTIVES, type DoorDraft, emptyDoor } from './doors.js';
import { readSections, type Section, trim } from './lines.js';
import {
  DEFAULT_OPTIONS,
  type DoorDefaults,
  OPTION_DIRECTIVES,
  type OptionsDraft,
} from './options.js';
import { isUseSyslog, readDirectives } from './read-directives.js';
import type { NamedSink } from './sink-names.js';
import { isSinkSection, readSinks } from './sinks.js';
import type { Configuration, Diagnostic, Door, Options, SequenceSource } from './types.js';

/**
 * Where each directive that counts stands: by door name, then by the directive's full name. No door
 * has the name `options`, under which those of [options] are.
 */
export type Places = ReadonlyMap<string, ReadonlyMap<string, Place>>;

export interface ParsedConfiguration {
  /** Absent if there is any error. */
  readonly configuration?: Configuration;
  readonly diagnostics: readonly Diagnostic[];
  readonly places: Places;
}

const OPTIONS = 'options';

/** Far more than anybody has; keeps what compares every door with every other bearable. */
const MAX_DOORS = 4096;

/**
 * Reads a knockd.conf as knockd 0.8 does, with postern's own directives besides. Never throws, and
 * no diagnostic holds a port of a sequence (DESIGN 9). `file` is the name shown in diagnostics.
 */
export function parseConfiguration(text: string, file: string): ParsedConfiguration {
  const findings = findingsOf(file);
  const sections = readSections(text, findings);
  const places = new Map<string, ReadonlyMap<string, Place>>();
  const draft = readOptions(sections, places, findings);
  const { sinks, names } = readSinks(sections, places, findings);
  const named = sections.filter(isDoorSection);
  const surplus = named[MAX_DOORS];
  if (surplus) {
    const message = `the file has ${named.length} doors; it may have ${MAX_DOORS} at most`;
    findings.error('POSTERN_E_CONFIG_DOOR', surplus, message);
  }
  const repeats = new Map<string, number>();
  const doors = named
    .slice(0, MAX_DOORS)
    .map((section) => readDoor(section, draft, names, places, repeats, findings))
    .filter((door) => door !== undefined);
  if (doors.length === 0 && !hasErrors(findings.list))
    findings.warning(
      'POSTERN_W_NO_DOORS',
      WHOLE_FILE,
      'the file has no door; nothing can be opened',
    );
  const diagnostics = inOrder(findings.list);
  if (hasErrors(diagnostics)) return { diagnostics, places };
  return {
    configuration: { file, options: optionsOf(draft), doors, sinks },
    diagnostics,
    places,
  };
}

/** By place in the file; findings about the whole file first. */
export function inOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function readOptions(
  sections: readonly Section[],
  places: Map<string, ReadonlyMap<string, Place>>,
  findings: Findings,
): OptionsDraft {
  let draft = DEFAULT_OPTIONS;
  const seen = new Map<string, Place>();
  places.set(OPTIONS, seen);
  for (const section of sections) {
    if (section.name === OPTIONS)
      draft = readDirectives(section.directives, OPTION_DIRECTIVES, draft, seen, findings);
    else if (section.directives.some(isUseSyslog)) draft = { ...draft, useSyslog: true };
  }
  if (draft.nftGuard && draft.nftTable) {
    const message =
      'nft_guard and nft_table are two ways to the same end: with nft_table your own rules keep ' +
      'the ports shut; remove one of them';
    findings.error('POSTERN_E_CONFIG_VALUE', seen.get('nft_guard') ?? WHOLE_FILE, message);
  }
  checkClusterOptions(draft, seen, findings);
  return draft;
}

function isDoorSection(section: Section): boolean {
  const { name } = section;
  return name !== OPTIONS && trim(name) !== '' && !isSinkSection(section);
}

function readDoor(
  section: Section,
  defaults: DoorDefaults,
  sinkNames: ReadonlySet<string>,
  places: Map<string, ReadonlyMap<string, Place>>,
  repeats: Map<string, number>,
  findings: Findings,
): Door | undefined {
  const name = uniqueName(section, places, repeats, findings);
  const seen = new Map<string, Place>();
  places.set(name, seen);
  const empty = emptyDoor(defaults);
  const before = findings.list.length;
  const draft = readDirectives(section.directives, DOOR_DIRECTIVES, empty, seen, findings);
  const sequence = sequenceOf(section, draft, seen, findings);
  checkSinks(draft.namedSinks, sinkNames, seen, findings);
  if (!sequence) {
    // A line in error may be the sequence: then that line says enough.
    if (!hasErrors(findings.list.slice(before))) reportNoSequence(section, findings);
    return undefined;
  }
  const { fixed: _fixed, oneTime: _oneTime, namedSinks, ...door } = draft;
  warnOfTime(sequence, door, seen, findings);
  const sinks = namedSinks.map((sink) => sink.name);
  return { name, line: section.line, sequence, ...door, sinks };
}

/**
 * Two doors of one name are both live in knockd; here the second is shown as `name#2`. `repeats`:
 * the last such number of each name, so that a thousand doors of one name are not counted up anew.
 */
function uniqueName(
  section: Section,
  taken: ReadonlyMap<string, unknown>,
  repeats: Map<string, number>,
  findings: Findings,
): string {
  if (!taken.has(section.name)) return section.name;
  let number = (repeats.get(section.name) ?? 1) + 1;
  while (taken.has(`${section.name}#${number}`)) number += 1;
  repeats.set(section.name, number);
  const name = `${section.name}#${number}`;
  const message = `there is a door of this name already; this one is shown as [${name}]`;
  findings.warning('POSTERN_W_REPEATED', section, message);
  return name;
}

function sequenceOf(
  section: Section,
  { fixed, oneTime }: DoorDraft,
  seen: ReadonlyMap<string, Place>,
  findings: Findings,
): SequenceSource | undefined {
  if (fixed && oneTime) {
    const message = 'has no effect, for the door has One_Time_Sequences; remove one of them';
    const place = seen.get('Sequence') ?? section;
    findings.warning('POSTERN_W_MISPLACED', place, `Sequence ${message}`);
  }
  return oneTime ?? fixed;
}

/** The sinks that a door names must be there, wherever in the file. */
function checkSinks(
  named: readonly NamedSink[],
  names: ReadonlySet<string>,
  seen: ReadonlyMap<string, Place>,
  findings: Findings,
): void {
  const { line, column } = seen.get('sinks') ?? WHOLE_FILE;
  for (const { name, offset } of named.filter((sink) => !names.has(sink.name))) {
    const known = [...names].map((each) => ({ name: each }));
    const nearest = nearestDirective(known, name);
    const hint =
      nearest === undefined ? 'add a section with that header' : `did you mean ${nearest}?`;
    const message = `sinks names ${quoted(name)}, but there is no such sink; ${hint}`;
    findings.error('POSTERN_E_CONFIG_SINK', { line, column: column + offset }, message);
  }
}

function reportNoSequence(section: Section, findings: Findings): void {
  const message = `door [${section.name}] has no sequence; add a line Sequence = port,port,port`;
  findings.error('POSTERN_E_CONFIG_DOOR', section, message);
}

function warnOfTime(
  sequence: SequenceSource,
  door: Pick<Door, 'seqTimeoutMs'>,
  seen: ReadonlyMap<string, Place>,
  findings: Findings,
): void {
  const single = sequence.kind === 'fixed' && sequence.knocks.length === 1;
  const place = seen.get('Seq_Timeout');
  if (!place || single || door.seqTimeoutMs > 0) return;
  const message =
    'Seq_Timeout leaves no time between knocks, so the door never opens, as in knockd';
  findings.warning('POSTERN_W_TIMEOUT', place, message);
}

function optionsOf(draft: OptionsDraft): Options {
  const { runOn: _o, reknock: _r, cooldownMs: _c, ...some } = draft;
  const { commandTimeoutMs: _t, stopRetries: _s, logFile, ...options } = some;
  return logFile ? { ...options, logFile } : options;
}
