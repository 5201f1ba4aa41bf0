import type { GrantState } from '../../machines/grant.js';
import type { Clock } from '../clock.js';
import type { Extension } from './arbiter-types.js';

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
  #knockedAtMs: number;

  constructor({ context }: GrantState, fullMs: number, clock: Clock) {
    this.#fullMs = fullMs;
    this.#clock = clock;
    this.#overMs = this.#endOf(context.openForMs ?? fullMs);
    this.#knockedAtMs = context.knockedAtMs;
  }

  get ms(): number {
    return Math.min(this.#fullMs, this.#overMs - this.#nowMs);
  }

  get isOver(): boolean {
    return this.#overMs <= this.#nowMs;
  }

  /** The last knock for it: wall clock ms of the host that was knocked. */
  get knockedAtMs(): number {
    return this.#knockedAtMs;
  }

  extend({ openForMs, knockedAtMs }: Extension): void {
    this.#overMs = Math.max(this.#overMs, this.#endOf(openForMs));
    this.#knockedAtMs = Math.max(this.#knockedAtMs, knockedAtMs);
  }

  /** The opening begins: what remains now counts from its end. */
  begin(): void {
    this.#begunMs ??= this.#clock.now();
  }

  get #nowMs(): number {
    return this.#begunMs ?? this.#clock.now();
  }

  #endOf(openForMs: number): number {
    return openForMs < this.#fullMs ? this.#nowMs + openForMs : Number.POSITIVE_INFINITY;
  }
}
