/**
 * Which slot a source's record is in: open addressing with linear probing, at most half full. It
 * grows and shrinks without a pause: while an old table still holds entries, every addition and
 * removal moves some of them into the new one, and a search asks both.
 */
import type { AddressWords } from './address-words.js';
import { letGo, roomFor } from './let-go.js';

/** What knows the key of a slot. */
export interface SlotKeys {
  isAt(slot: number, words: Readonly<AddressWords>): boolean;
}

/** Places: a place is two numbers, the slot plus one (or one of these), and its hash. */
const EMPTY = 0;
/** In the old table only: an entry that was moved or removed, over which a search goes on. */
const GONE = -1;
const SMALLEST = 64;
/** Places of the old table that each addition and removal clears: done long before the next resize. */
const CLEARED_AT_ONCE = 32;
const NO_TABLE = new Int32Array(0);

export class SlotIndex {
  #table = tableOf(SMALLEST);
  /** What `#table` replaces. */
  #old: Int32Array = NO_TABLE;
  /** How far the old table is cleared. */
  #cleared = 0;
  #size = 0;

  constructor(private readonly keys: SlotKeys) {}

  get bytes(): number {
    return this.#table.byteLength + this.#old.byteLength;
  }

  /** The slot whose key this is; -1: none. */
  find(hash: number, words: Readonly<AddressWords>): number {
    const slot = this.#search(this.#table, hash, words);
    return slot >= 0 || !this.#isMoving ? slot : this.#search(this.#old, hash, words);
  }

  /** Adds a slot whose key is not there yet. */
  add(hash: number, slot: number): void {
    this.#goOn();
    this.#size++;
    const places = this.#table.length / 2;
    if (this.#size > places / 2) this.#resize(places * 2);
    insert(this.#table, slot + 1, hash);
  }

  remove(hash: number, slot: number): void {
    this.#goOn();
    this.#size--;
    const at = placeOf(this.#table, hash, slot);
    if (at >= 0) closeHole(this.#table, at);
    else if (this.#isMoving) this.#old[placeOf(this.#old, hash, slot)] = GONE;
    const places = this.#table.length / 2;
    const isLarge = this.#size < places / 16 && places > SMALLEST;
    if (isLarge && !this.#isMoving) this.#resize(places / 4);
  }

  /** The record was moved to another slot. */
  move(hash: number, from: number, to: number): void {
    const at = placeOf(this.#table, hash, from);
    if (at >= 0) this.#table[at] = to + 1;
    else if (this.#isMoving) this.#old[placeOf(this.#old, hash, from)] = to + 1;
  }

  get #isMoving(): boolean {
    return this.#old.length > 0;
  }

  #search(table: Int32Array, hash: number, words: Readonly<AddressWords>): number {
    const mask = table.length - 1;
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const entry = table[at] ?? EMPTY;
      if (entry === EMPTY) return -1;
      if (entry !== GONE && table[at + 1] === hash && this.keys.isAt(entry - 1, words)) {
        return entry - 1;
      }
    }
  }

  /** None is under way: the last one needed fewer additions and removals than it takes to get here. */
  #resize(places: number): void {
    this.#old = this.#table;
    this.#cleared = 0;
    this.#table = tableOf(Math.max(places, SMALLEST));
    this.#goOn();
  }

  #goOn(): void {
    if (!this.#isMoving) return;
    const old = this.#old;
    const end = Math.min(this.#cleared + CLEARED_AT_ONCE * 2, old.length);
    for (let at = this.#cleared; at < end; at += 2) {
      const entry = old[at] ?? EMPTY;
      if (entry === EMPTY || entry === GONE) continue;
      insert(this.#table, entry, old[at + 1] ?? 0);
      old[at] = GONE;
    }
    this.#cleared = end;
    if (end < old.length) return;
    this.#old = NO_TABLE;
    letGo(old.buffer);
  }
}

/** Empty as it is: nothing needs to be filled in. */
function tableOf(places: number): Int32Array {
  return new Int32Array(roomFor(places * 2 * Int32Array.BYTES_PER_ELEMENT));
}

function insert(table: Int32Array, entry: number, hash: number): void {
  const mask = table.length - 1;
  let at = (hash << 1) & mask;
  while (table[at] !== EMPTY) at = (at + 2) & mask;
  table[at] = entry;
  table[at + 1] = hash;
}

/** Where the slot's entry is; -1: not in this table. */
function placeOf(table: Int32Array, hash: number, slot: number): number {
  const mask = table.length - 1;
  for (let at = (hash << 1) & mask; table.length > 0; at = (at + 2) & mask) {
    const entry = table[at];
    if (entry === slot + 1) return at;
    if (entry === EMPTY) break;
  }
  return -1;
}

/** Linear probing's deletion: what follows moves up, so that no search breaks off early. */
function closeHole(table: Int32Array, hole: number): void {
  const mask = table.length - 1;
  let empty = hole;
  for (let at = (hole + 2) & mask; ; at = (at + 2) & mask) {
    const entry = table[at] ?? EMPTY;
    if (entry === EMPTY) break;
    const hash = table[at + 1] ?? 0;
    // It may move up to the hole if that is not before its home.
    const home = (hash << 1) & mask;
    if (((at - home) & mask) < ((at - empty) & mask)) continue;
    table[empty] = entry;
    table[empty + 1] = hash;
    empty = at;
  }
  table[empty] = EMPTY;
}
