/** One alarm of a source. */
export class Alarm {
  /** Where it stands in the heap, for `Deadlines` alone; -1: nowhere any more. */
  at = -1;

  constructor(
    readonly atMs: number,
    readonly source: string,
  ) {}
}

/**
 * A binary heap of deadlines: the one scheduler of all knockers. An alarm that is not needed any
 * more is taken out from wherever it stands: left there until it is due, those of a flood's evicted
 * sources would pile up without bound.
 */
export class Deadlines {
  readonly #heap: Alarm[] = [];

  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(atMs: number, source: string): Alarm {
    const alarm = new Alarm(atMs, source);
    this.#heap.push(alarm);
    this.#rise(alarm, this.#heap.length - 1);
    return alarm;
  }

  /** Takes out the first alarm that is due, if there is one. */
  takeDue(nowMs: number): Alarm | undefined {
    const [first] = this.#heap;
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  /** Does nothing with one that has been taken out already. */
  remove(alarm: Alarm): void {
    const { at } = alarm;
    if (at < 0) return;
    alarm.at = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === alarm) return;
    // It comes from another branch: it may belong above this place as well as below it.
    this.#rise(last, at);
    this.#sink(last, last.at);
  }

  #rise(alarm: Alarm, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.atMs <= alarm.atMs) break;
      this.#put(parent, at);
      at = above;
    }
    this.#put(alarm, at);
  }

  #sink(alarm: Alarm, from: number): void {
    const heap = this.#heap;
    let at = from;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const below = right !== undefined && left !== undefined && right.atMs < left.atMs;
      const child = below ? right : left;
      if (child === undefined || child.atMs >= alarm.atMs) break;
      this.#put(child, at);
      at = 2 * at + (below ? 2 : 1);
    }
    this.#put(alarm, at);
  }

  #put(alarm: Alarm, at: number): void {
    this.#heap[at] = alarm;
    alarm.at = at;
  }
}
