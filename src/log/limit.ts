const WINDOW_MS = 1_000;

/** Calls back once after so many milliseconds; returns what calls that off. */
export type Schedule = (act: () => void, ms: number) => () => void;

const byTimer: Schedule = (act, ms) => {
  const timer = setTimeout(act, ms).unref();
  return () => clearTimeout(timer);
};

/**
 * Lets so many lines through a second and counts the others: a flood of first knocks must not fill
 * the disk. When the second is over, `report` is told how many there were, if any.
 */
export class LineLimit {
  readonly #perSecond: number;
  readonly #report: (suppressed: number) => void;
  readonly #schedule: Schedule;
  #seen = 0;
  #cancel: (() => void) | undefined;

  constructor(perSecond: number, report: (suppressed: number) => void, schedule = byTimer) {
    this.#perSecond = perSecond;
    this.#report = report;
    this.#schedule = schedule;
  }

  /** Whether this line may be written. */
  take(): boolean {
    this.#cancel ??= this.#schedule(() => this.flush(), WINDOW_MS);
    this.#seen += 1;
    return this.#seen <= this.#perSecond;
  }

  /** Reports at once, and begins a new second. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const suppressed = this.#seen - this.#perSecond;
    this.#seen = 0;
    if (suppressed > 0) this.#report(suppressed);
  }
}
