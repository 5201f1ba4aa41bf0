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
}

export interface Sink {
  /** The sink's name in the journal: `exec`, later `nftables`, `webhook:ops`, … */
  readonly name: string;
  /** Resolves when open. Rejects with the reason it could not be opened. */
  open(grant: SinkGrant, signal: AbortSignal): Promise<void>;
  /** Absent: nothing to take back. Rejects with the reason; it will be tried again. */
  close?(grant: SinkGrant, signal: AbortSignal): Promise<void>;
}
