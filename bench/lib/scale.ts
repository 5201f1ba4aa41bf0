/** Axes: from values to places on a drawing, and the values that are worth a line. */

export interface Axis {
  readonly label: string;
  readonly log?: boolean;
  /** Where it ends at least; a linear axis begins at 0. */
  readonly atLeast?: number;
  /** How a value is written; as it is without it. */
  readonly format?: (value: number) => string;
}

export interface Scale {
  readonly ticks: readonly number[];
  /** From 0 (its beginning) to 1. */
  place(value: number): number;
}

const STEPS = [1, 2, 2.5, 5, 10];
const TICKS = 5;

/** @param values those that must have a place; what has none on the axis is left out */
export function scaleOf({ log, atLeast }: Axis, values: readonly number[]): Scale {
  const all = atLeast === undefined ? values : [...values, atLeast];
  const placed = all.filter((value) => Number.isFinite(value) && value > 0);
  // An axis with nothing on it still has ticks.
  const some = placed.length === 0 ? [1] : placed;
  return log ? logScale(some) : linearScale(Math.max(...some));
}

function linearScale(most: number): Scale {
  const rough = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((each) => each * power >= rough * 0.999) ?? 10);
  const count = Math.ceil(most / step - 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12)));
  return { ticks, place: (value) => value / (count * step) };
}

function logScale(values: readonly number[]): Scale {
  const first = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at));
  return { ticks, place: (value) => (Math.log10(value) - first) / (last - first) };
}
