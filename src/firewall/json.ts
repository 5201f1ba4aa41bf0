/** What stands in nft's JSON, whatever it is. */

/** The words of an expression: one, several, or several joined by `|`. */
export function wordsOf(expression: unknown): readonly string[] {
  if (typeof expression === 'string') return [expression];
  if (Array.isArray(expression)) return expression.flatMap(wordsOf);
  const [key, of] = entryOf(expression);
  return key === '|' || key === 'set' ? wordsOf(of) : [];
}

/** The only key of an object, and what is under it; a word is a key with nothing under it. */
export function entryOf(expression: unknown): readonly [key?: string, of?: unknown] {
  if (typeof expression === 'string') return [expression];
  if (typeof expression !== 'object' || expression === null) return [];
  return Object.entries(expression)[0] ?? [];
}

/** A text in an object; empty if there is none. */
export function field(of: unknown, name: string): string {
  if (typeof of !== 'object' || of === null) return '';
  const found = Object.entries(of).find(([key]) => key === name)?.[1];
  return typeof found === 'string' ? found : '';
}

/** `{"elem": {"val": …, "timeout": …}}`, as elements with a timeout or a comment are written. */
export function elementOf(element: unknown): unknown {
  const [key, of] = entryOf(element);
  return key === 'elem' && typeof of === 'object' && of !== null && 'val' in of ? of.val : element;
}
