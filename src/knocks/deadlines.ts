/** One alarm of a source. */
interface Alarm {
  readonly atMs: number;
  readonly source: string;
}

/** A binary heap of deadlines: the one scheduler of all knockers. */
export class Deadlines {
  readonly #heap: Alarm[] = [];

  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(atMs: number, source: string): void {
    const heap = this.#heap;
    const alarm = { atMs, source };
    let at = heap.length;
    heap.push(alarm);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.atMs <= atMs) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = alarm;
  }

  /** Takes out the first alarm that is due, if there is one. */
  takeDue(nowMs: number): Alarm | undefined {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = heap.pop();
    if (last !== undefined && last !== first) this.#sink(last);
    return first;
  }

  #sink(alarm: Alarm): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const below = right !== undefined && left !== undefined && right.atMs < left.atMs;
      const child = below ? right : left;
      if (child === undefined || child.atMs >= alarm.atMs) break;
      heap[at] = child;
      at = 2 * at + (below ? 2 : 1);
    }
    heap[at] = alarm;
  }
}
