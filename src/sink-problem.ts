import type { Diagnostic } from '../config/types.js';
import type { SinkSettings } from '../sinks/settings.js';

/** A sink that cannot be used, as a finding about the section that says what it is. */
export function sinkProblem(
  file: string,
  { line }: Pick<SinkSettings, 'line'>,
  message: string,
): Diagnostic {
  return { severity: 'warning', code: 'POSTERN_W_SINK', file, line, column: 0, message };
}
