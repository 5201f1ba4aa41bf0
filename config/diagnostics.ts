/**
 * Findings about a configuration: their codes, and how one is written as a line. No finding ever
 * holds a port of a sequence (DESIGN 9, T9): text of the operator's file is only quoted through
 * `quoted`, which shows no digit.
 */
import type { Diagnostic } from './types.js';

/** What each code means. Errors keep the configuration from being loaded; warnings do not. */
export const FINDINGS = {
  POSTERN_E_CONFIG_FILE: 'The file cannot be read, is not text, or is not safe to trust.',
  POSTERN_E_CONFIG_SYNTAX: 'A line is neither a [section] nor a directive.',
  POSTERN_E_CONFIG_DIRECTIVE: 'A directive is unknown, or stands in the wrong section.',
  POSTERN_E_CONFIG_VALUE: 'A value is not what the directive takes.',
  POSTERN_E_CONFIG_SEQUENCE: 'A sequence has a knock that is no port, or too many knocks.',
  POSTERN_E_CONFIG_DOOR: 'A door has no sequence.',
  POSTERN_E_CONFIG_SINK: 'A sink has no proper name of its own, lacks a line, or is not there.',
  POSTERN_E_ONE_TIME: 'A one-time sequence file cannot be read or rewritten.',
  POSTERN_W_IGNORED_TEXT: 'Text behind a value is ignored, as knockd does.',
  POSTERN_W_REPEATED: 'A directive or a door name is given twice.',
  POSTERN_W_MISPLACED: 'A directive has no effect where it stands, or belongs elsewhere.',
  POSTERN_W_TIMEOUT: 'A time is missing, or not what was probably meant.',
  POSTERN_W_NO_DOORS: 'The file has no door, so nothing can be opened.',
  POSTERN_W_NO_COMMAND: 'A door does nothing when it is opened.',
  POSTERN_W_READABLE: 'A file with sequences or passwords can be read by every user of this host.',
  POSTERN_W_SHORT_SEQUENCE: 'A sequence has fewer than three knocks.',
  POSTERN_W_ORDERED_SEQUENCE: 'The ports of a sequence rise or fall, as in a port scan.',
  POSTERN_W_OVERLAP: "A door's sequence is the same as, or part of, another door's.",
  POSTERN_W_LISTENING: 'A knock is on a port that something on this host listens on.',
  POSTERN_W_TCPFLAGS: 'TCPFlags are missing, or cannot have an effect.',
  POSTERN_W_SHARED_DOOR: 'A door opens for everyone, not for the source that knocked.',
  POSTERN_W_STOP_NOT_INVERSE: 'A stop command does not take back just what its start gave.',
  POSTERN_W_ALLOW: 'What `allow` gives has no effect, or a command gives it too.',
  POSTERN_W_FIREWALL_SHUT: "An opened door would still be shut by this host's firewall.",
  POSTERN_W_FIREWALL_OPEN: "A door is open without a knock, by this host's firewall.",
  POSTERN_W_FIREWALL_UNKNOWN: "What this host's firewall does to a door cannot be told.",
  POSTERN_W_RUN_ON: 'Where a door acts is not what was probably meant.',
  POSTERN_W_CLUSTER: 'This host would take no part in its cluster, for a file that it needs.',
  POSTERN_W_SINK: 'A sink could not do what it is for, or no door names it.',
  POSTERN_W_ONE_TIME: 'A one-time sequence file is used up, or has lines that are skipped.',
  POSTERN_W_INTERFACE: 'An interface is not there (yet).',
} as const;

export type FindingCode = keyof typeof FINDINGS;

/** Where in the file; 1-based, 0 for unknown. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export const WHOLE_FILE: Place = { line: 0, column: 0 };

/** Collects the findings about one file. */
export interface Findings {
  readonly list: Diagnostic[];
  error(code: FindingCode, place: Place, message: string): void;
  warning(code: FindingCode, place: Place, message: string): void;
}

export function findingsOf(file: string): Findings {
  const list: Diagnostic[] = [];
  const add =
    (severity: Diagnostic['severity']) => (code: FindingCode, place: Place, message: string) => {
      list.push({ severity, code, file, line: place.line, column: place.column, message });
    };
  return { list, error: add('error'), warning: add('warning') };
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === 'error');
}

/**
 * The finding as one line: `FILE:LINE:COLUMN: error: message [CODE]`. What is unknown of the place
 * is left out; control characters are escaped, so that a name cannot forge a line.
 */
export function renderDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, severity, message, code } = diagnostic;
  const place = [file, line, column].filter((part) => part !== 0).join(':');
  return escapeControls(`${place}: ${severity}: ${message} [${code}]`);
}

/** Control characters, line separators and text-direction marks, which could disguise a line. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Replaces everything that could break or disguise a line of output by a visible escape. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    const number = character.codePointAt(0) ?? 0;
    return `\\u${number.toString(16).padStart(4, '0')}`;
  });
}

const QUOTED_LENGTH = 40;

/** Text from the file, quoted for a message: cut short, and every run of digits shown as `#`. */
export function quoted(text: string): string {
  const shown = escapeControls(text).replace(/\p{N}+/gu, '#');
  return shown.length > QUOTED_LENGTH ? `"${shown.slice(0, QUOTED_LENGTH)}…"` : `"${shown}"`;
}

/** A path, as it is; what is no path (a sequence given as a file name?) is quoted without digits. */
export function quotedPath(path: string): string {
  return /^[./]/.test(path) && !/[,:]/.test(path) ? path : quoted(path);
}
