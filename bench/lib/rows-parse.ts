/** Figures of the results files as numbers: what is missing, or was not one, is NaN. */
import { z } from 'zod';
import { asRatio, type Check, type Row, shown } from './rows.js';

export const number = z
  .unknown()
  .optional()
  .transform((value) => (typeof value === 'number' ? value : Number.NaN));
export const word = z.string().default('');
export const program = z.enum(['postern', 'knockd', 'node']);

const MB_PER_MIB = 2 ** 20 / 1e6;

/** Goals of memory are in MB. */
export function megabytes(mib: number): number {
  return mib * MB_PER_MIB;
}

export function ms(value: number): string {
  return `${shown(value)} ms`;
}

export function mb(mib: number): string {
  return `${shown(megabytes(mib))} MB`;
}

/** `1,000,000`. */
export function count(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString('en-US') : '?';
}

/** A goal of at most so much of what knockd takes. */
export function againstKnockd(what: string, ours: number, theirs: number, parts: number): Row {
  return {
    ...{ what, goal: `≤ 1/${parts} of knockd's`, measured: `${asRatio(ours / theirs)}` },
    knockd: ms(theirs),
    check: { value: ours / theirs, limit: 1 / parts },
  };
}

export function row(what: string, goal: string, measured: string, knockd = '', check?: Check): Row {
  return { what, goal, measured, knockd, ...(check && { check }) };
}
