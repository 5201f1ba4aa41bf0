/** What a directive is, and how the nearest known one is found for a name that is not known. */
import type { Reading } from './reading.js';

/** A directive that may stand in a section which is read into a draft `D`. */
export interface Directive<D> {
  /** As it is written in messages and in the documentation; matched case-insensitively. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Stands alone, without `= value`. */
  readonly alone?: true;
  /** Given twice, it adds up or the first one counts, as this says; otherwise the last one does. */
  readonly repeated?: 'adds up' | 'first counts';
  /** What the value changes in the draft. */
  read(text: string, draft: D): Reading<Partial<D>>;
}

export function findDirective<D>(
  directives: readonly Directive<D>[],
  key: string,
): Directive<D> | undefined {
  const wanted = key.toLowerCase();
  return directives.find((directive) => namesOf(directive).includes(wanted));
}

function namesOf({ name, aliases = [] }: NamedDirective): readonly string[] {
  return [name, ...aliases].map((each) => each.toLowerCase());
}

type NamedDirective = Pick<Directive<never>, 'name' | 'aliases'>;

/** The known name with the fewest edits to the given one, if it is near enough to be meant. */
export function nearestDirective(
  directives: readonly NamedDirective[],
  key: string,
): string | undefined {
  // Nobody mistypes a name into one of twice its length, and a long line need not be compared.
  const wanted = key.slice(0, 40).toLowerCase();
  const { length } = [...wanted];
  let nearest: string | undefined;
  let least = Math.max(2, Math.ceil(wanted.length / 3)) + 1;
  for (const directive of directives) {
    for (const name of [directive.name, ...(directive.aliases ?? [])]) {
      // Each character too many or too few is an edit: most names need not be compared.
      if (Math.abs(name.length - length) >= least) continue;
      const distance = editDistance(wanted, name.toLowerCase());
      if (distance < least) [nearest, least] = [name, distance];
    }
  }
  return nearest;
}

/** Levenshtein distance: insertions, deletions and replacements that make one text the other. */
export function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [above, character] of [...one].entries()) {
    const next = [above + 1];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (other[column - 1] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
