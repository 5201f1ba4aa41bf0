import type { Clock } from '../clock.js';

/**
 * How long a grant is open once its opening has ended. As long as its door says (G1), unless it comes
 * late, for a knock on another host: then what remains runs down until the opening begins.
 */
export class OpenTime {
  readonly #fullMs: number;
  readonly #clock: Clock;
  /** Monotonic ms when nothing remains; infinite: it is not late. */
  #overMs: number;
  #begunMs: number | undefined;

  constructor(fullMs: number, remainingMs: number, clock: Clock) {
    this.#fullMs = fullMs;
    this.#clock = clock;
    this.#overMs = this.#endOf(remainingMs);
  }

  get ms(): number {
    return Math.min(this.#fullMs, this.#overMs - (this.#begunMs ?? this.#clock.now()));
  }

  get isOver(): boolean {
    return this.#overMs <= (this.#begunMs ?? this.#clock.now());
  }

  /** Another knock, which gives so much time from now on. */
  extend(remainingMs: number): void {
    this.#overMs = Math.max(this.#overMs, this.#endOf(remainingMs));
  }

  /** The opening begins: what remains now counts from its end. */
  begin(): void {
    this.#begunMs ??= this.#clock.now();
  }

  #endOf(remainingMs: number): number {
    if (remainingMs >= this.#fullMs) return Number.POSITIVE_INFINITY;
    return (this.#begunMs ?? this.#clock.now()) + remainingMs;
  }
}
