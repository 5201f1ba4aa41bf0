/** Ratios of the short form against those that were recorded: what continuous integration fails on. */
import { quantile } from './figures.js';
import type { Ratios } from './results.js';

/** Machines of continuous integration are noisy; worse than this is no noise. */
export const MOST_TIMES_RECORDED = 2;

/** One sentence for each ratio that is too bad, or that cannot be compared; none: all is well. */
export function worse(measured: Ratios, recorded: Ratios | undefined): readonly string[] {
  if (recorded === undefined) return ['nothing is recorded: npm run bench -- --quick --record'];
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(measured)])];
  return names.flatMap((name) => complaint(name, measured[name], recorded[name]) ?? []);
}

/** Of several runs of a scenario, the best of each ratio: noise makes ratios worse, not better. */
export function best(runs: readonly Ratios[]): Ratios {
  return combined(runs, (values) => Math.min(...values));
}

/** Of several runs, the one in the middle for each ratio: what may be recorded. */
export function middle(runs: readonly Ratios[]): Ratios {
  return combined(runs, (values) => quantile(values, 0.5));
}

/** @throws Error that names a ratio which could never be compared with */
export function checkRatios(ratios: Ratios): void {
  for (const [name, value] of Object.entries(ratios)) {
    if (!isRatio(value)) throw new Error(`the ratio "${name}" is ${value}`);
  }
}

function combined(runs: readonly Ratios[], of: (values: readonly number[]) => number): Ratios {
  const names = new Set(runs.flatMap((run) => Object.keys(run)));
  const valuesOf = (name: string) => runs.map((run) => run[name] ?? Number.NaN).filter(isRatio);
  return Object.fromEntries(
    [...names].map((name) => {
      const values = valuesOf(name);
      return [name, values.length === 0 ? Number.NaN : of(values)];
    }),
  );
}

function isRatio(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

function complaint(name: string, now?: number, then?: number): string | undefined {
  if (now === undefined || !isRatio(now)) return `${name}: not measured (${now})`;
  if (then === undefined) return `${name}: ${shown(now)}, not recorded`;
  if (now <= MOST_TIMES_RECORDED * then) return undefined;
  return `${name}: ${shown(now)}, ${shown(now / then)} times the recorded ${shown(then)}`;
}

function shown(value: number): string {
  return value.toPrecision(3);
}
