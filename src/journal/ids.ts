/** Redis Stream ids, `ms-seq`: two 64-bit numbers, compared as numbers and not as text. */

const ID = /^(\d{1,20})-(\d{1,20})$/;

interface Parts {
  readonly ms: bigint;
  readonly seq: bigint;
}

/** Throws a RangeError when the text is no full stream id. */
function parse(id: string): Parts {
  const [, ms, seq] = ID.exec(id) ?? [];
  if (ms === undefined || seq === undefined) throw new RangeError(`${id} is no stream id`);
  return { ms: BigInt(ms), seq: BigInt(seq) };
}

/** Negative, zero or positive, as for Array.sort. Throws a RangeError for what is no stream id. */
export function compareIds(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  if (left.ms !== right.ms) return left.ms < right.ms ? -1 : 1;
  if (left.seq === right.seq) return 0;
  return left.seq < right.seq ? -1 : 1;
}

/** The smallest id that is larger than this one. */
export function successor(id: string): string {
  const { ms, seq } = parse(id);
  return `${ms}-${seq + 1n}`;
}

/** The smallest of the ids that are there; undefined: none is. */
export function oldestOf(ids: readonly (string | undefined)[]): string | undefined {
  let oldest: string | undefined;
  for (const id of ids) {
    if (id !== undefined && (oldest === undefined || compareIds(id, oldest) < 0)) oldest = id;
  }
  return oldest;
}

/**
 * Gives ids that only grow. The journal chooses its own, since an event's HMAC covers its id, and
 * they must grow even after the wall clock went back.
 */
export class IdSource {
  #last = '0-0';

  /** The id that must be exceeded from now on, if it is larger than what is known. */
  learn(id: string): void {
    if (compareIds(id, this.#last) > 0) this.#last = id;
  }

  next(wallMs: number): string {
    const now = `${Math.max(0, Math.floor(wallMs))}-0`;
    this.#last = compareIds(now, this.#last) > 0 ? now : successor(this.#last);
    return this.#last;
  }
}
