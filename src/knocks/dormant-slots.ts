/**
 * Slots for records in order of arrival. They stand in segments of fixed size, so that nothing is
 * copied when they become more, and a segment is given back once it holds nothing any more. Records
 * that are taken out of the middle leave gaps; when these have become a quarter, the densest of
 * them are closed, a few segments at a time.
 */
import type { AddressWords } from './address-words.js';
import { KIND, Segment } from './dormant-segment.js';
import { letGo } from './let-go.js';

const LARGEST_SEGMENT = 4096;
/** Stands where a segment was given back. */
const NO_SEGMENT = new Segment(-1, 0);

/** A record has moved: the slot it had, and its place now. */
export type OnMoved = (from: number, segment: Segment, place: number) => void;

export class DormantSlots {
  /** Places of a segment, a power of two. */
  readonly #places: number;
  readonly #shift: number;
  /** As many segments hold `maxSources` records and have the places of one segment left. */
  readonly #most: number;
  readonly #segments: Segment[] = [];
  readonly #freeIds: number[] = [];
  /** Oldest first; none is empty. */
  readonly #order: Segment[] = [];
  #spare: Segment | undefined;
  #size = 0;

  constructor(
    maxSources: number,
    private readonly onMoved: OnMoved,
  ) {
    const quarter = Math.max(1, Math.floor(maxSources / 4));
    this.#shift = 31 - Math.clz32(Math.min(quarter, LARGEST_SEGMENT));
    this.#places = 1 << this.#shift;
    this.#most = Math.ceil((maxSources * 1.25) / this.#places) + 1;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  segmentOf(slot: number): Segment {
    return this.#segments[slot >>> this.#shift] ?? NO_SEGMENT;
  }

  placeOf(slot: number): number {
    return slot & (this.#places - 1);
  }

  slotOf(segment: Segment, place: number): number {
    return (segment.id << this.#shift) | place;
  }

  isAt(slot: number, words: Readonly<AddressWords>): boolean {
    return this.segmentOf(slot).isAt(this.placeOf(slot), words);
  }

  /** The oldest record's slot; -1: there is none. */
  oldest(): number {
    const head = this.#order[0];
    if (head === undefined) return -1;
    while (head.kinds[head.first] === KIND.none) head.first++;
    return this.slotOf(head, head.first);
  }

  /** A slot behind all others, for at most `maxSources` records. The caller writes the record. */
  push(): number {
    const last = this.#order[this.#order.length - 1];
    const tail = last === undefined || last.end === this.#places ? this.#nextTail() : last;
    this.#size++;
    tail.live++;
    return this.slotOf(tail, tail.end++);
  }

  remove(slot: number): void {
    const segment = this.segmentOf(slot);
    segment.kinds[this.placeOf(slot)] = KIND.none;
    segment.live--;
    this.#size--;
    if (segment.live === 0) this.#giveBack(segment);
  }

  #nextTail(): Segment {
    if (this.#order.length === this.#most) {
      this.#gather();
      const last = this.#order[this.#order.length - 1];
      if (last !== undefined && last.end < this.#places) return last;
    }
    const tail = this.#spare ?? this.#create();
    this.#spare = undefined;
    this.#order.push(tail);
    return tail;
  }

  #create(): Segment {
    const segment = new Segment(this.#freeIds.pop() ?? this.#segments.length, this.#places);
    this.#segments[segment.id] = segment;
    return segment;
  }

  #giveBack(segment: Segment): void {
    this.#order.splice(this.#order.indexOf(segment), 1);
    segment.first = 0;
    segment.end = 0;
    if (this.#spare === undefined) {
      this.#spare = segment;
      return;
    }
    this.#segments[segment.id] = NO_SEGMENT;
    letGo(segment.words.buffer);
    this.#freeIds.push(segment.id);
  }

  /** Puts the records of a few neighbouring segments into one segment fewer. */
  #gather(): void {
    const run = this.#shortestRun();
    let count = 0;
    for (const segment of run) {
      for (let place = 0; place < segment.end; place++) {
        if (segment.kinds[place] === KIND.none) continue;
        const into = run[count >>> this.#shift] ?? segment;
        const at = this.placeOf(count++);
        if (into === segment && at === place) continue;
        into.take(at, segment, place);
        this.onMoved(this.slotOf(segment, place), into, at);
      }
    }
    run.forEach((segment, index) => {
      segment.first = 0;
      segment.live = Math.max(0, Math.min(this.#places, count - index * this.#places));
      segment.end = segment.live;
      if (segment.live === 0) this.#giveBack(segment);
    });
  }

  /**
   * The fewest neighbours whose gaps make up a segment. At the bound a fifth of all places are gaps
   * and a segment's worth besides, so there are such, and six at most.
   */
  #shortestRun(): Segment[] {
    const order = this.#order;
    const gapsAt = (index: number) => this.#places - (order[index]?.live ?? 0);
    let [start, length] = [0, order.length];
    let gaps = 0;
    for (let first = 0, last = 0; last < order.length; last++) {
      gaps += gapsAt(last);
      while (gaps - gapsAt(first) >= this.#places) gaps -= gapsAt(first++);
      if (gaps >= this.#places && last - first + 1 < length) {
        start = first;
        length = last - first + 1;
      }
    }
    return order.slice(start, start + length);
  }
}
