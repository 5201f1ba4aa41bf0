import type { Clock } from '../clock.js';

/** So many different things are said within an hour at most. */
const MOST = 1000;
const WINDOW_MS = 3_600_000;

/**
 * Tells what is worth a line in the log: each thing once. Whoever writes into the shared Redis can
 * repeat genuine messages as often as he likes, and must not fill the log by it.
 */
export class Novelty {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #said = new Set<string>();
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Whether it was not asked about before, of late. */
  isNew(what: string): boolean {
    if (this.#clock.now() - this.#sinceMs > WINDOW_MS) {
      this.#sinceMs = this.#clock.now();
      this.#said.clear();
    }
    if (this.#said.has(what) || this.#said.size >= MOST) return false;
    this.#said.add(what);
    return true;
  }
}
