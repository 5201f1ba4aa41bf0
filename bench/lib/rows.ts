/** Rows of the tables: what was wanted, what was measured, and by how much it was met or missed. */

/** A goal that can be checked: the value is at most (or at least) the limit, in the same unit. */
export interface Check {
  readonly value: number;
  readonly limit: number;
  readonly atLeast?: true;
}

export interface Row {
  readonly what: string;
  /** In words; empty for what is only reported. */
  readonly goal: string;
  readonly measured: string;
  readonly knockd: string;
  readonly check?: Check;
}

export const HEADER: readonly string[] = ['', 'goal', 'postern', 'knockd', ''];

export function isMet({ value, limit, atLeast }: Check): boolean {
  return atLeast ? value >= limit : value <= limit;
}

/** `met, 52 % of the limit`, `missed by 20 %`; of a limit of none, `missed by 3`. */
export function verdict(check: Check | undefined): string {
  if (check === undefined) return '';
  const { value, limit, atLeast } = check;
  if (!Number.isFinite(value)) return 'missed: not measured';
  if (limit === 0) return value === 0 ? 'met' : `missed by ${shown(value)}`;
  const percent = (100 * value) / limit;
  if (isMet(check)) return atLeast || value <= 0 ? 'met' : `met, ${shown(percent)} % of the limit`;
  return `missed by ${shown(Math.abs(percent - 100))} %`;
}

export function cellsOf(row: Row): readonly string[] {
  return [row.what, row.goal, row.measured, row.knockd, verdict(row.check)];
}

/** `2.8`, `51`, `1,048,576`: as many digits as say something. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '?';
  if (value === 0) return '0';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const rounded = Math.abs(value) < 0.1 ? Number(value.toPrecision(2)) : value;
  return rounded.toLocaleString('en-US', {
    maximumFractionDigits: Math.abs(value) < 0.1 ? 6 : digits,
  });
}

/** A ratio of ours to another's: `1/14` below one half, `0.8`, `1.3`. */
export function asRatio(ratio: number): string {
  return ratio > 0 && ratio < 0.5 ? `1/${shown(1 / ratio)}` : shown(ratio);
}

/** Columns one below the other, for a terminal. */
export function plainTable(rows: readonly Row[]): string {
  const cells = [HEADER, ...rows.map(cellsOf)];
  const widths = HEADER.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}

/** For a page. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]) {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(header), `|${'---|'.repeat(header.length)}`, ...rows.map(line)].join('\n');
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
