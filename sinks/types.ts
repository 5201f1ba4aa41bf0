/**
 * A sink acts on a grant: it opens, and where it can, closes. It knows the grant, not where it came
 * from. Both calls are idempotent by grant id, and end early when the signal aborts.
 */

import type { SinkEvent } from './settings.js';

/** A grant as a sink sees it. */
export interface SinkGrant {
  readonly id: string;
  readonly door: string;
  /** Canonical address text. */
  readonly source: string;
  readonly host: string;
  /** Wall clock ms since the epoch when it will be closed; null: never. */
  readonly untilMs: number | null;
  /** Milliseconds left until then at the time of the call, by the monotonic clock; null: never. */
  readonly leftMs: number | null;
  /** Wall clock ms since the epoch when the sequence was completed. Absent where nobody knows. */
  readonly completedAtMs?: number;
  /**
   * Wall clock ms since the epoch when what the call tells of happened; the same at every attempt.
   * Only in calls of sinks that tell others.
   */
  readonly atMs?: number;
  /** `postern sink test`: nobody knocked. */
  readonly isTest?: true;
}

/** How the calls of a sink that tells others are tried again. */
export interface DeliveryPolicy {
  /**
   * Milliseconds until it is tried again, after the n-th attempt failed with that error and so long
   * (ms) after the first; undefined: given up.
   */
  retryAfterMs(attempt: number, error: unknown, ageMs: number): number | undefined;
  /** Calls for one door within so many milliseconds are made together, by `together`. */
  readonly collectMs?: number;
}

/** A call of a sink that tells others. */
export interface SinkCall {
  readonly event: SinkEvent;
  readonly grant: SinkGrant;
  /** Wall clock ms since the epoch when it happened. */
  readonly atMs: number;
  /** Of `failed`. */
  readonly reason?: string;
}

export interface Sink {
  /** The sink's name in the journal: `exec`, later `nftables`, `webhook:ops`, … */
  readonly name: string;
  /**
   * The kernel takes back what it opens by itself, a moment after the deadline, whatever becomes of
   * postern. A door with such sinks alone may open while the journal is out of reach (T14).
   */
  readonly kernelTimed?: boolean;
  /**
   * It tells others rather than acts: each call is a job of its own that delays nothing and is tried
   * again as this says, for days and over restarts if need be. Absent: it acts, under the deadlines
   * of its door.
   */
  readonly delivery?: DeliveryPolicy;
  /** Resolves when open. Rejects with the reason it could not be opened. */
  open(grant: SinkGrant, signal: AbortSignal): Promise<void>;
  /** The deadline moved to `leftMs` from now (G2). Absent: it does not care. */
  extend?(grant: SinkGrant, signal: AbortSignal): Promise<void>;
  /** Absent: nothing to take back. Rejects with the reason; it will be tried again. */
  close?(grant: SinkGrant, signal: AbortSignal): Promise<void>;
  /** Something about the grant failed, at this sink or another one. Absent: it does not care. */
  failed?(grant: SinkGrant, reason: string, signal: AbortSignal): Promise<void>;
  /** Several calls for one door at once, instead of one by one; only with `delivery.collectMs`. */
  together?(calls: readonly SinkCall[], signal: AbortSignal): Promise<void>;
}
