/** What a user's module exports: the sink it is, or a function that makes one. */
import { z } from 'zod';
import type { SinkGrant } from '../types.js';

/**
 * A user's sink. Every call is idempotent by `grant.id`, and ends early when its signal aborts. It is
 * done when the promise is; a sink that throws, or whose promise rejects, has failed.
 */
export interface UserSink {
  open(grant: SinkGrant, signal: AbortSignal): unknown;
  /** Absent: nothing to take back. */
  close?(grant: SinkGrant, signal: AbortSignal): unknown;
  /** Something about the grant failed, here or in another sink. */
  failed?(grant: SinkGrant, reason: string, signal: AbortSignal): unknown;
}

/** Writes one line each to postern's log. */
export interface ModuleLog {
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** What a module's function is given beside the options of its section. */
export interface ModuleContext {
  /** `module:gate` */
  readonly name: string;
  readonly log: ModuleLog;
}

/** The options are the directives of the section, by name in lower case, all text. */
export type UserSinkFactory = (
  options: Readonly<Record<string, string>>,
  context: ModuleContext,
) => unknown;

/** That it is a function is checked; what it takes and gives is the contract above. */
function functionOf<F>(example: string) {
  return z.custom<F>((value) => typeof value === 'function', {
    error: ({ input }) =>
      input === undefined ? `is missing: write ${example}` : `is no function: write ${example}`,
  });
}

const userSink = z.object({
  open: functionOf<UserSink['open']>('open(grant, signal) { … }'),
  close: functionOf<NonNullable<UserSink['close']>>('close(grant, signal) { … }').optional(),
  failed: functionOf<NonNullable<UserSink['failed']>>(
    'failed(grant, reason, signal) { … }',
  ).optional(),
});

/** A sink as a module gave it, or in one clause what is wrong with it; `of` says what it is. */
export function understandSink(value: unknown, of: string): UserSink | { problem: string } {
  if (typeof value !== 'object' || value === null)
    return { problem: `${of} is ${kindOf(value)}, not a sink: an object with open and close` };
  const { data, error } = userSink.safeParse(value);
  if (error !== undefined) {
    const [issue] = error.issues;
    return { problem: `${of} is no sink: ${issue?.path.join('.')} ${issue?.message}` };
  }
  const { open, close, failed } = data;
  // Called as methods of what the module gave: that may be an instance of a class.
  return {
    open: (grant, signal) => open.call(value, grant, signal),
    ...(close !== undefined && {
      close: (grant: SinkGrant, signal: AbortSignal) => close.call(value, grant, signal),
    }),
    ...(failed !== undefined && {
      failed: (grant: SinkGrant, reason: string, signal: AbortSignal) =>
        failed.call(value, grant, reason, signal),
    }),
  };
}

const factory = z.custom<UserSinkFactory>((value) => typeof value === 'function');

/** The function that makes the sink; undefined: it is to be a sink itself. */
export function asFactory(value: unknown): UserSinkFactory | undefined {
  return factory.safeParse(value).data;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
