/** What became of a piece of text: a value, or why there is none, and what is odd about it. */
import { type FindingCode, quoted } from './diagnostics.js';

export interface Remark {
  readonly code: FindingCode;
  /** Where in the text, from 0. */
  readonly offset: number;
  /** Completes a sentence that begins with the directive's name. */
  readonly message: string;
}

export interface Reading<T> {
  /** Absent if there are errors. */
  readonly value?: T;
  readonly errors: readonly Remark[];
  readonly warnings: readonly Remark[];
}

export function good<T>(value: T, warnings: readonly Remark[] = []): Reading<T> {
  return { value, errors: [], warnings };
}

export function bad(message: string, offset = 0): Reading<never> {
  return { errors: [{ code: 'POSTERN_E_CONFIG_VALUE', offset, message }], warnings: [] };
}

/** Makes another value of a good reading; errors and warnings stay. */
export function map<T, U>(reading: Reading<T>, make: (value: T) => U): Reading<U> {
  const { value, ...remarks } = reading;
  return value === undefined ? remarks : { ...remarks, value: make(value) };
}

/** Says that text behind a number is ignored, as knockd's atoi() does. */
export function ignoredText(text: string, offset: number, where = ''): Remark {
  const message = `ignores ${quoted(text)}${where} (knockd does too); a comment needs a line of its own`;
  return { code: 'POSTERN_W_IGNORED_TEXT', offset, message };
}
