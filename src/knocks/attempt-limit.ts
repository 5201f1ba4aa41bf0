/**
 * How many attempts each source begins (`max_attempts_per_minute`, docs/knockd.md, M12). Typed
 * arrays, 17 bytes a source, in sets of eight: finding, adding and dropping a source look at one set.
 * IPv6 sources are told apart by their /64, since whoever has one address there has them all.
 *
 * A source has a bucket of so many attempts, which fills evenly, all of it in a minute. The time at
 * which it is full again says how many are left, and after that time there is nothing to know: a
 * flood of sources with one attempt each is forgotten within a second.
 */
import { LatestWords } from './address-words.js';
import { letGo, roomFor } from './let-go.js';

/** An attempt is within the limit, is the one that exceeds it, or comes while it is ignored. */
export type LimitVerdict = 'within' | 'exceeds' | 'ignored';

/** How long a source is ignored, and how long an empty bucket takes to fill, in ms. */
const MINUTE_MS = 60_000;
/**
 * Sums of floating times are off by less: 10,000 additions round by 2^-13 ms each where times count
 * from 1970, as in a replay. The shortest time for one attempt is three times as long.
 */
const TOLERANCE_MS = 2;
/** Of a record. */
const BYTES = 17;
const SET = 8;
const SMALLEST = 1024;
/** 4.5 MB. */
const LARGEST = 262_144;
const SWEEP_EVERY_MS = 10_000;

/** Columns of the records for one capacity, which is a power of two. */
class Columns {
  readonly high: Int32Array;
  readonly low: Int32Array;
  readonly isIpv6: Uint8Array;
  /**
   * Monotonic ms at which the bucket is full again; negative: until when the source is ignored. The
   * record is worth nothing from then on. 0: none.
   */
  readonly mark: Float64Array;
  readonly #memory: ArrayBuffer;
  constructor(readonly capacity: number) {
    this.#memory = roomFor(capacity * BYTES);
    this.mark = new Float64Array(this.#memory, 0, capacity);
    this.high = new Int32Array(this.#memory, capacity * 8, capacity);
    this.low = new Int32Array(this.#memory, capacity * 12, capacity);
    this.isIpv6 = new Uint8Array(this.#memory, capacity * 16, capacity);
  }

  /** Nothing may be read of it any more. */
  letGo(): void {
    letGo(this.#memory);
  }
}

export class AttemptLimit {
  #columns = new Columns(SMALLEST);
  readonly #seed = Math.floor(Math.random() * 0x7fffffff);
  /** Nobody is ignored from this time on. */
  #ignoredUntilMs = Number.NEGATIVE_INFINITY;
  #sweepMs = Number.POSITIVE_INFINITY;
  // The source that was looked for last, and where it is or would be put.
  #high = 0;
  #low = 0;
  #isIpv6 = 0;
  #slot = 0;

  /** `largest`: sources that are remembered at most, a power of two from 1,024. */
  constructor(
    private readonly words = new LatestWords(),
    readonly largest = LARGEST,
  ) {}

  /** Records there is room for without growing. */
  get capacity(): number {
    return this.#columns.capacity;
  }

  /** When `sweep` next has something to do, monotonic ms; Infinity: nothing. */
  get nextSweepMs(): number {
    const isAnybodyIgnored = this.#ignoredUntilMs > Number.NEGATIVE_INFINITY;
    return isAnybodyIgnored ? Math.min(this.#ignoredUntilMs, this.#sweepMs) : this.#sweepMs;
  }

  /** Takes an attempt from the source's bucket. `perMinute` is at least 1. */
  begin(source: string, atMs: number, perMinute: number): LimitVerdict {
    const isKnown = this.#find(source);
    const mark = isKnown ? (this.#columns.mark[this.#slot] ?? 0) : 0;
    if (mark < 0 && atMs < -mark) return 'ignored';
    const fullMs = Math.max(mark, atMs) + MINUTE_MS / perMinute;
    if (fullMs - atMs > MINUTE_MS + TOLERANCE_MS) {
      const untilMs = atMs + MINUTE_MS;
      this.#ignoredUntilMs = Math.max(this.#ignoredUntilMs, untilMs);
      this.#columns.mark[this.#slot] = -untilMs;
      return 'exceeds';
    }
    if (!isKnown) this.#take(atMs);
    this.#columns.mark[this.#slot] = fullMs;
    return 'within';
  }

  /** Whether the source is ignored. Costs next to nothing while nobody is. */
  ignores(source: string, atMs: number): boolean {
    if (atMs >= this.#ignoredUntilMs || !this.#find(source)) return false;
    return atMs < -(this.#columns.mark[this.#slot] ?? 0);
  }

  /** Sources (for IPv6: networks) that are ignored. */
  ignoredCount(nowMs: number): number {
    if (nowMs >= this.#ignoredUntilMs) return 0;
    return this.#columns.mark.reduce((count, mark) => (nowMs < -mark ? count + 1 : count), 0);
  }

  /** Gives memory back once most of it holds nothing any more. */
  sweep(nowMs: number): void {
    if (nowMs >= this.#ignoredUntilMs) this.#ignoredUntilMs = Number.NEGATIVE_INFINITY;
    if (nowMs < this.#sweepMs) return;
    const { mark, capacity } = this.#columns;
    const live = mark.reduce((count, at) => (Math.abs(at) > nowMs ? count + 1 : count), 0);
    if (live < capacity / 8) {
      let enough = SMALLEST;
      while (enough < live * 4) enough *= 2;
      this.#resize(enough, nowMs);
    }
    const isGrown = this.capacity > SMALLEST;
    this.#sweepMs = isGrown ? nowMs + SWEEP_EVERY_MS : Number.POSITIVE_INFINITY;
  }

  /** Makes the slot the source's: an empty one, or that of the record which is worth least. */
  #take(atMs: number): void {
    while (Math.abs(this.#columns.mark[this.#slot] ?? 0) > atMs && this.capacity < this.largest) {
      this.#resize(this.capacity * 2, atMs);
      this.#sweepMs = Math.min(this.#sweepMs, atMs + SWEEP_EVERY_MS);
      this.#search();
    }
    const { high, low, isIpv6 } = this.#columns;
    high[this.#slot] = this.#high;
    low[this.#slot] = this.#low;
    isIpv6[this.#slot] = this.#isIpv6;
  }

  /** Whether the source has a record, live or not. */
  #find(source: string): boolean {
    const words = this.words.of(source);
    const isIpv4 = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
    this.#isIpv6 = isIpv4 ? 0 : 1;
    // As signed numbers, which V8 keeps in a field without a box.
    this.#high = (words[0] ?? 0) | 0;
    this.#low = (words[isIpv4 ? 3 : 1] ?? 0) | 0;
    return this.#search();
  }

  #search(): boolean {
    const { high, low, isIpv6, mark, capacity } = this.#columns;
    const first = (this.#hash() & (capacity / SET - 1)) * SET;
    let leastMs = Number.POSITIVE_INFINITY;
    for (let slot = first; slot < first + SET; slot++) {
      const at = mark[slot] ?? 0;
      const isIts = low[slot] === this.#low && high[slot] === this.#high;
      if (isIts && isIpv6[slot] === this.#isIpv6 && at !== 0) {
        this.#slot = slot;
        return true;
      }
      if (Math.abs(at) >= leastMs) continue;
      leastMs = Math.abs(at);
      this.#slot = slot;
    }
    return false;
  }

  #hash(): number {
    let hash = this.#seed ^ this.#isIpv6;
    hash = Math.imul(hash ^ this.#high, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ this.#low, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  /** Takes the records that are worth something along. */
  #resize(capacity: number, nowMs: number): void {
    const [wantedHigh, wantedLow, wantedIpv6] = [this.#high, this.#low, this.#isIpv6];
    const old = this.#columns;
    this.#columns = new Columns(capacity);
    for (let slot = 0; slot < old.capacity; slot++) {
      const mark = old.mark[slot] ?? 0;
      if (Math.abs(mark) <= nowMs) continue;
      this.#high = old.high[slot] ?? 0;
      this.#low = old.low[slot] ?? 0;
      this.#isIpv6 = old.isIpv6[slot] ?? 0;
      this.#search();
      this.#take(nowMs);
      this.#columns.mark[this.#slot] = mark;
    }
    old.letGo();
    [this.#high, this.#low, this.#isIpv6] = [wantedHigh, wantedLow, wantedIpv6];
  }
}
