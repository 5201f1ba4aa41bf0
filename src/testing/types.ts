import type { SinkGrant } from '../../sinks/types.js';

export interface TestSinkOptions {
  /** The lines of the module's section, by name in lower case. */
  readonly options?: Readonly<Record<string, string>>;
  /** What grants are to have; each gets an id of its own. */
  readonly grant?: Partial<Omit<SinkGrant, 'id'>>;
  /** How long a call may last, milliseconds; 5,000 when it is not given. */
  readonly timeoutMs?: number;
  /**
   * What is open now, on the other side of the sink, in any form that can be compared. Without it
   * only what the calls throw is seen.
   */
  readonly state?: () => unknown;
  /** Makes that other side fail, and gives the function that mends it. */
  readonly breakIt?: () => (() => unknown) | Promise<() => unknown>;
}

export interface SinkReport {
  readonly ok: boolean;
  /** What is wrong, each in one line. */
  readonly findings: readonly string[];
  /** What was tried. */
  readonly checks: readonly string[];
  /** What could not be tried, and why. */
  readonly skipped: readonly string[];
}
