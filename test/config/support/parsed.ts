import assert from 'node:assert/strict';
import { renderDiagnostic } from '../../../config/diagnostics.js';
import { parseConfiguration } from '../../../config/parse.js';
import type { Configuration, Door } from '../../../config/types.js';

/** Parses a text that must load. */
export function loads(text: string): Configuration {
  const { configuration, diagnostics } = parseConfiguration(text, 'file.conf');
  assert.ok(configuration, diagnostics.map(renderDiagnostic).join('\n'));
  return configuration;
}

/** The only door of a text that must load. */
export function doorOf(...lines: readonly string[]): Door {
  const { doors } = loads(lines.join('\n'));
  assert.equal(doors.length, 1);
  return doors[0]!;
}

/** What is said of a text: `LINE:COLUMN severity CODE message`. */
export function saidOf(text: string): readonly string[] {
  return parseConfiguration(text, 'file.conf').diagnostics.map(
    ({ line, column, severity, code, message }) =>
      `${line}:${column} ${severity} ${code} ${message}`,
  );
}
