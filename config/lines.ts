/**
 * knockd.conf's outermost form: sections and directives, line by line, as knockd 0.8 reads them
 * (`parseconfig` and `trim` in its knockd.c). Knows no directive.
 */
import { type Findings, quoted } from './diagnostics.js';

/** `key = value`, or a key that stands alone. Columns are 1-based. */
export interface DirectiveLine {
  readonly key: string;
  readonly value?: string;
  readonly line: number;
  readonly column: number;
  readonly valueColumn: number;
}

export interface Section {
  readonly name: string;
  readonly line: number;
  readonly column: number;
  readonly directives: DirectiveLine[];
}

/** A shell refuses an argument longer than 128 KiB, so no command can be longer. */
const MAX_LINE_LENGTH = 131_072;

/** C's isspace(), which knockd trims with; `String.trim` would take more. */
const LEADING_BLANKS = /^[ \t\n\v\f\r]*/;
const BLANKS = ' \t\n\v\f\r';

/** Removes the blanks that knockd removes, from both ends. */
export function trim(text: string): string {
  let end = text.length;
  // By hand: a pattern for trailing blanks takes quadratic time on a line full of them.
  while (end > 0 && BLANKS.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end).replace(LEADING_BLANKS, '');
}

/** How many blanks the text begins with. */
export function indent(text: string): number {
  return LEADING_BLANKS.exec(text)?.[0].length ?? 0;
}

/**
 * Splits a file into its sections. Lines are trimmed; blank ones and those that begin with `#` are
 * skipped; `#` and `;` elsewhere belong to the value. Every bad line is an error of its own.
 */
export function readSections(text: string, findings: Findings): readonly Section[] {
  const sections: Section[] = [];
  text.split('\n').forEach((raw, index) => {
    // An editor's byte order mark is no part of the first line.
    const content = index === 0 ? raw.replace(/^\ufeff/, '') : raw;
    readLine(content, index + 1, sections, findings);
  });
  return sections;
}

function readLine(raw: string, line: number, sections: Section[], findings: Findings): void {
  const text = trim(raw);
  if (text === '' || text.startsWith('#')) return;
  const column = indent(raw) + 1;
  const problem = lineProblem(text);
  if (problem !== undefined) {
    findings.error('POSTERN_E_CONFIG_SYNTAX', { line, column }, problem);
    return;
  }
  if (text.startsWith('[') && text.endsWith(']')) {
    readHeader(text, { line, column }, sections, findings);
    return;
  }
  const section = sections.at(-1);
  if (section) section.directives.push(directiveOf(text, line, column));
  else
    findings.error(
      'POSTERN_E_CONFIG_SYNTAX',
      { line, column },
      'this stands before the first section; write a line [options] or [name of a door] above it',
    );
}

function lineProblem(text: string): string | undefined {
  if (text.length > MAX_LINE_LENGTH) return `the line is longer than ${MAX_LINE_LENGTH} characters`;
  if (text.includes('\0')) return 'the line holds a NUL byte; this is not a text file';
  if (text.includes('\ufffd')) return 'the line is not valid UTF-8; save the file as UTF-8';
  if (text.startsWith('[') && !text.endsWith(']') && !text.includes('='))
    return 'a section begins with [ and must end with ], with nothing behind it';
  return undefined;
}

function readHeader(
  text: string,
  place: { line: number; column: number },
  sections: Section[],
  findings: Findings,
): void {
  // knockd keeps blanks inside the brackets as part of the name, and so does this.
  const name = text.slice(1, -1);
  sections.push({ name, ...place, directives: [] });
  if (trim(name) === '')
    findings.error('POSTERN_E_CONFIG_SYNTAX', place, 'the section has no name; write [name]');
  else if (name !== 'options' && trim(name).toLowerCase() === 'options')
    findings.warning(
      'POSTERN_W_MISPLACED',
      place,
      `${quoted(text)} is a door of that name; the globals stand in [options], written just so`,
    );
}

function directiveOf(text: string, line: number, column: number): DirectiveLine {
  const split = text.indexOf('=');
  if (split < 0) return { key: text, line, column, valueColumn: 0 };
  const raw = text.slice(split + 1);
  return {
    key: trim(text.slice(0, split)),
    value: trim(raw),
    line,
    column,
    valueColumn: column + split + 1 + indent(raw),
  };
}
