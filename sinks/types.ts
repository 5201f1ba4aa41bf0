/**
 * A sink acts on a grant: it opens, and where it can, closes. It knows the grant, not where it came
 * from. Both calls are idempotent by grant id, and end early when the signal aborts.
 */

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
}

export interface Sink {
  /** The sink's name in the journal: `exec`, later `nftables`, `webhook:ops`, … */
  readonly name: string;
  /**
   * The kernel takes back what it opens by itself, a moment after the deadline, whatever becomes of
   * postern. A door with such sinks alone may open while the journal is out of reach (T14).
   */
  readonly kernelTimed?: boolean;
  /** Resolves when open. Rejects with the reason it could not be opened. */
  open(grant: SinkGrant, signal: AbortSignal): Promise<void>;
  /** The deadline moved to `leftMs` from now (G2). Absent: it does not care. */
  extend?(grant: SinkGrant, signal: AbortSignal): Promise<void>;
  /** Absent: nothing to take back. Rejects with the reason; it will be tried again. */
  close?(grant: SinkGrant, signal: AbortSignal): Promise<void>;
}
