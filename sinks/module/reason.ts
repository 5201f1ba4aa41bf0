/** Why a user's module failed, as one bounded line: what it throws may be anything. */
import { escapeControls } from '../../config/diagnostics.js';

/** Characters of what a module throws or logs. */
const MAX_TEXT = 500;

/** One line of at most 500 characters, in which nothing disguises itself. */
export function oneLine(text: string): string {
  const line = text
    .slice(0, 4 * MAX_TEXT)
    .replace(/\s+/g, ' ')
    .trim();
  const shown = escapeControls(line);
  const characters = [...shown];
  return characters.length > MAX_TEXT ? `${characters.slice(0, MAX_TEXT).join('')}…` : shown;
}

/** The text of anything thrown; never throws itself, though its getters may. */
export function moduleReason(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return oneLine(`threw ${String(thrown)}, which is no Error`);
    const text = oneLine(String(thrown.message));
    return text === '' ? `${oneLine(String(thrown.name))} without a message` : text;
  } catch {
    return 'threw something that cannot be shown';
  }
}
