import { getRandomValues } from 'node:crypto';
import type { AddressWords } from './address-words.js';

const BYTES = 16;

/**
 * Simple tabulation hashing under random tables of 16 KiB. Whoever chooses the sources cannot choose
 * which of them collide: mixing with one seed gave whole nets of IPv6 sources one hash, whatever the
 * seed. Linear probing stays O(1) with it for any keys.
 */
export class AddressHash {
  readonly #tables = getRandomValues(new Int32Array(BYTES * 256));

  /** The hash of the four words from `at` on, 32 bits, signed. */
  of(words: AddressWords, at: number): number {
    const low = this.#wordHash(3, words[at + 3] ?? 0);
    // What all IPv4 addresses share need not be hashed.
    if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff) return low;
    return (
      low ^
      this.#wordHash(2, words[at + 2] ?? 0) ^
      this.#wordHash(1, words[at + 1] ?? 0) ^
      this.#wordHash(0, words[at] ?? 0)
    );
  }

  #wordHash(index: number, word: number): number {
    const tables = this.#tables;
    const table = index * 1024;
    return (
      (tables[table + (word & 255)] ?? 0) ^
      (tables[table + 256 + ((word >>> 8) & 255)] ?? 0) ^
      (tables[table + 512 + ((word >>> 16) & 255)] ?? 0) ^
      (tables[table + 768 + (word >>> 24)] ?? 0)
    );
  }
}
