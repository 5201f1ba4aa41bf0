/** How much a sensor says beside its records: a message a second, and complaints when it ends. */
const MOST = 200;
const WITHIN_MS = 1000;

/** Tells a sensor that talks without end from one that is well; what is said costs the core time. */
export class Talk {
  #sinceMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** Something was said. True when it was too much within a second. */
  isTooMuch(nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= WITHIN_MS) {
      this.#sinceMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count > MOST;
  }
}
