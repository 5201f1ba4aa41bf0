/** Folds the lines of one section into typed values, and says what is wrong with each line. */
import { type Findings, type Place, quoted } from './diagnostics.js';
import { type Directive, findDirective, nearestDirective } from './directives.js';
import { DOOR_DIRECTIVES } from './doors.js';
import type { DirectiveLine } from './lines.js';
import { OPTION_DIRECTIVES } from './options.js';
import type { Remark } from './reading.js';
import { SINK_DIRECTIVES } from './sink-directives.js';

/** Folds the directives of one section into a draft; `seen` learns where each one stands. */
export function readDirectives<D>(
  lines: readonly DirectiveLine[],
  known: readonly Directive<D>[],
  draft: D,
  seen: Map<string, Place>,
  findings: Findings,
): D {
  let result = draft;
  for (const line of lines) {
    const directive = findDirective(known, line.key);
    if (!directive) reportUnknown(line, known, findings);
    else if (fits(line, directive, findings)) {
      const place = { line: line.line, column: line.valueColumn || line.column };
      const repeated = noteRepeated(line, directive, place, seen, findings);
      const reading = directive.read(line.value ?? '', result);
      report(directive.name, line, reading.errors, findings.error);
      report(directive.name, line, reading.warnings, findings.warning);
      const ignored = repeated && directive.repeated === 'first counts';
      if (reading.value && !ignored) result = { ...result, ...reading.value };
    }
  }
  return result;
}

function report(
  name: string,
  { line, column, valueColumn }: DirectiveLine,
  remarks: readonly Remark[],
  add: Findings['error'],
): void {
  for (const { code, offset, message } of remarks)
    add(code, { line, column: valueColumn ? valueColumn + offset : column }, `${name} ${message}`);
}

/** Whether the directive has a value if it takes one, and none if it stands alone. */
function fits(
  { value, line, column, valueColumn }: DirectiveLine,
  { name, alone }: Pick<Directive<never>, 'name' | 'alone'>,
  findings: Findings,
): boolean {
  if (alone && value !== undefined)
    findings.error(
      'POSTERN_E_CONFIG_VALUE',
      { line, column: valueColumn },
      `${name} stands alone and takes no value; remove the = and what follows`,
    );
  else if (!alone && value === undefined)
    findings.error(
      'POSTERN_E_CONFIG_SYNTAX',
      { line, column },
      `${name} needs a value; write ${name} = …`,
    );
  return Boolean(alone) === (value === undefined);
}

function noteRepeated(
  line: DirectiveLine,
  { name, repeated, alone }: Pick<Directive<never>, 'name' | 'repeated' | 'alone'>,
  place: Place,
  seen: Map<string, Place>,
  findings: Findings,
): boolean {
  const earlier = seen.get(name);
  if (!earlier || repeated !== 'first counts') seen.set(name, place);
  if (!earlier || alone || repeated === 'adds up') return earlier !== undefined;
  const which = repeated === 'first counts' ? `line ${earlier.line} counts` : 'this one counts';
  const message = `${name} is given again (before at line ${earlier.line}); ${which}, as in knockd`;
  findings.warning('POSTERN_W_REPEATED', { line: line.line, column: line.column }, message);
  return true;
}

function reportUnknown<D>(
  line: DirectiveLine,
  known: readonly Directive<D>[],
  findings: Findings,
): void {
  const place = { line: line.line, column: line.column };
  if (isUseSyslog(line)) {
    const message = 'UseSyslog is a global and belongs in [options]; it is in effect here too';
    findings.warning('POSTERN_W_MISPLACED', place, message);
    return;
  }
  const elsewhere = findElsewhere(line.key) ?? missingEquals(line, known);
  if (elsewhere !== undefined) {
    findings.error('POSTERN_E_CONFIG_DIRECTIVE', place, elsewhere);
    return;
  }
  const nearest =
    nearestDirective(known, line.key) ??
    nearestDirective(OPTION_DIRECTIVES, line.key) ??
    nearestDirective(DOOR_DIRECTIVES, line.key);
  const hint =
    nearest === undefined ? 'see the documentation for those known' : `did you mean ${nearest}?`;
  const message = `unknown directive ${quoted(line.key)}; ${hint}`;
  findings.error('POSTERN_E_CONFIG_DIRECTIVE', place, message);
}

/** For a directive that is known, but not in the section where it stands: where it belongs. */
function findElsewhere(key: string): string | undefined {
  const option = findDirective(OPTION_DIRECTIVES, key);
  if (option) return `${option.name} is a global; move it to the [options] section`;
  const door = findDirective(DOOR_DIRECTIVES, key);
  if (door) return `${door.name} belongs to a door; move it below the [name] of one`;
  const sinks = Object.entries(SINK_DIRECTIVES)
    .filter(([, known]) => known.some(({ name }) => name === key.toLowerCase()))
    .map(([kind]) => `[${kind}:NAME]`);
  if (sinks.length === 0) return undefined;
  return `${key.toLowerCase()} belongs to a sink; move it below the header of one, ${sinks.join(' or ')}`;
}

/** `sequence 7000,8000`: the = is missing. */
function missingEquals<D>(
  { key, value }: DirectiveLine,
  known: readonly Directive<D>[],
): string | undefined {
  const [word = '', second] = key.split(/\s+/, 2);
  const directive = findDirective(known, word);
  if (value !== undefined || second === undefined || !directive) return undefined;
  return `${directive.name} needs a = before its value; write ${directive.name} = …`;
}

/** knockd takes `UseSyslog` in any section. */
export function isUseSyslog({ key, value }: DirectiveLine): boolean {
  return value === undefined && key.toLowerCase() === 'usesyslog';
}
