import type { AddressWords } from './address-words.js';
import { roomFor } from './let-go.js';

/** Words of a record: four of the key, then these. */
export const WORDS = 8;
export const SEQUENCE = 4;
export const GENERATION = 5;
/** The port that was knocked on, and the source port. */
export const PORTS = 6;
/** Number of the destination, bits, interface. */
export const REST = 7;

/** Of a record: its time, its words, its kind. */
const BYTES = 8 + WORDS * 4 + 1;

/** What a place holds. */
export const KIND = { none: 0, stray: 1, knock: 2 } as const;

/** So many records in order of arrival, with gaps where some were taken out: 41 bytes each. */
export class Segment {
  readonly words: Uint32Array;
  readonly times: Float64Array;
  readonly kinds: Uint8Array;
  /** Records that are there. */
  live = 0;
  /** There is none before this place, and none from `end` on. */
  first = 0;
  end = 0;

  constructor(
    readonly id: number,
    places: number,
  ) {
    // In one piece, which goes back to the system when it is let go.
    const buffer = roomFor(places * BYTES);
    this.times = new Float64Array(buffer, 0, places);
    this.words = new Uint32Array(buffer, places * 8, places * WORDS);
    this.kinds = new Uint8Array(buffer, places * (BYTES - 1));
  }

  get bytes(): number {
    return this.kinds.length * BYTES;
  }

  isAt(place: number, words: Readonly<AddressWords>): boolean {
    const own = this.words;
    const at = place * WORDS;
    return (
      own[at + 3] === words[3] &&
      own[at + 2] === words[2] &&
      own[at + 1] === words[1] &&
      own[at] === words[0]
    );
  }

  /** Takes the record at another place over. */
  take(place: number, from: Segment, at: number): void {
    for (let i = 0; i < WORDS; i++) {
      this.words[place * WORDS + i] = from.words[at * WORDS + i] ?? 0;
    }
    this.times[place] = from.times[at] ?? 0;
    this.kinds[place] = from.kinds[at] ?? KIND.none;
    from.kinds[at] = KIND.none;
  }
}
