import type { Sink } from '../../sinks/types.js';

/**
 * When each sink of a grant is to be closed, or its closing tried again: monotonic milliseconds.
 * Until the sinks have reported there is the grant's provisional deadline (G10).
 */
export class SinkDeadlines {
  readonly #bySink = new Map<string, number>();
  #provisionalMs: number | null = null;

  constructor(
    bySink: ReadonlyMap<string, number> = new Map(),
    provisionalMs: number | null = null,
  ) {
    this.#bySink = new Map(bySink);
    this.#provisionalMs = provisionalMs;
  }

  /** The next thing that is due; null: nothing is. */
  get nextMs(): number | null {
    return this.#bySink.size > 0 ? Math.min(...this.#bySink.values()) : this.#provisionalMs;
  }

  /** The sinks that will be closed have not reported yet. */
  get areProvisional(): boolean {
    return this.#provisionalMs !== null;
  }

  isDue(sink: string, nowMs: number): boolean {
    return (this.#bySink.get(sink) ?? Number.POSITIVE_INFINITY) <= nowMs;
  }

  provide(provisionalMs: number | null): void {
    this.#provisionalMs = provisionalMs;
  }

  /** The sinks' own deadlines are known. */
  settle(sinks: readonly Sink[], deadlineMs: number): void {
    for (const { name } of sinks) this.#bySink.set(name, deadlineMs);
    this.#provisionalMs = null;
  }

  set(sink: string, deadlineMs: number): void {
    this.#bySink.set(sink, deadlineMs);
  }

  /** It is being closed. */
  drop(sink: string): void {
    this.#bySink.delete(sink);
    this.#provisionalMs = null;
  }

  /** Moves what would be earlier to that time. */
  moveTo(deadlineMs: number): void {
    for (const [sink, beforeMs] of this.#bySink) {
      this.#bySink.set(sink, Math.max(beforeMs, deadlineMs));
    }
  }
}
