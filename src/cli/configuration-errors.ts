import { renderDiagnostic } from '../../config/diagnostics.js';
import type { Diagnostic } from '../../config/types.js';
import { PosternError } from '../errors.js';

/** All errors of a configuration, a line each. */
export function configurationErrors(
  file: string,
  diagnostics: readonly Diagnostic[],
): PosternError {
  const errors = diagnostics.filter(({ severity }) => severity === 'error').map(renderDiagnostic);
  return new PosternError('POSTERN_E_CONFIG', errors.join('\n') || `${file}: cannot be loaded`);
}
