import { escapeControls } from '../../config/diagnostics.js';

const MAX_DEPTH = 5;

/**
 * A copy of a log line's fields in which no string, key or error message holds a control character
 * (T9). What is nested deeper than five levels (or in a circle) is cut off.
 */
export function escapeFields(fields: object): object {
  const copy = escapeValue(fields, 0);
  return typeof copy === 'object' && copy !== null ? copy : { value: copy };
}

function escapeValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return escapeControls(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (value instanceof Error) return errorFields(value, depth);
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((item) => escapeValue(item, depth + 1));
  const entries = Object.entries(value).map(([key, item]) => [
    escapeControls(key),
    escapeValue(item, depth + 1),
  ]);
  return Object.fromEntries(entries);
}

/** Message, code and cause of an error; its stack says nothing to an operator. */
function errorFields(error: Error, depth: number): object {
  const { name, message, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return {
    name,
    message: escapeControls(message),
    ...(typeof code === 'string' && { code: escapeControls(code) }),
    ...(cause !== undefined && { cause: escapeValue(cause, depth + 1) }),
  };
}
