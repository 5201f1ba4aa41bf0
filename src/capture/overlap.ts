/**
 * Tells frames apart while an old and a new capture are both open (DESIGN 1): what only one of them
 * lets through is delivered once, and so is what both see, also when the same bytes were sent twice.
 */

/** Both filters read headers only, so frames that agree this far pass or fail them together. */
const COMPARED_BYTES = 128;

export type Side = 'old' | 'new';

/** Frames are a multiset: of bytes seen m times on one side and n on the other, max(m, n) pass. */
export class Overlap {
  /** How often the old side has seen these bytes more than the new one. */
  readonly #ahead = new Map<string, number>();

  /** Whether this is a frame that the other side has not delivered. */
  isFirst(side: Side, frame: Buffer, bytes: number): boolean {
    const key = frame.toString('latin1', 0, Math.min(bytes, COMPARED_BYTES));
    const step = side === 'old' ? 1 : -1;
    const ahead = (this.#ahead.get(key) ?? 0) + step;
    if (ahead === 0) this.#ahead.delete(key);
    else this.#ahead.set(key, ahead);
    return ahead * step > 0;
  }
}
