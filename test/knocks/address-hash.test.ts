import assert from 'node:assert/strict';
import { AddressHash } from '../../src/knocks/address-hash.js';

/** How many different hashes so many addresses have. */
function hashesOf(addresses: Iterable<readonly number[]>): number {
  const hash = new AddressHash();
  const seen = new Set<number>();
  for (const words of addresses) seen.add(hash.of(new Uint32Array(words), 0));
  return seen.size;
}

/** 65,536 addresses that differ in two words, of which one undoes what the other did. */
function* net(first: number): Generator<number[]> {
  for (let x = 0; x < 256; x++) {
    for (let y = 0; y < 256; y++) {
      const words = [0xfd000db8, 0, 0, 7];
      words[first] = ((words[first] ?? 0) ^ (x << 24)) >>> 0;
      words[first + 1] = ((words[first + 1] ?? 0) ^ (y << 24) ^ (y << 9)) >>> 0;
      yield words;
    }
  }
}

describe('the hash of addresses', () => {
  it('differs for nets of addresses that mixing with multiplications and shifts makes alike', () => {
    for (const first of [0, 1, 2]) {
      const hashes = hashesOf(net(first));
      assert.ok(hashes > 65_000, `${hashes} of 65,536 from word ${first} on`);
    }
  });

  it('is the same wherever the words stand, and differs from table to table', () => {
    const words = new Uint32Array([9, 9, 0xfd000000, 1, 2, 3]);
    const hash = new AddressHash();
    assert.equal(hash.of(words, 2), hash.of(words.slice(2), 0));
    assert.notEqual(hash.of(words, 2), new AddressHash().of(words, 2));
  });
});
