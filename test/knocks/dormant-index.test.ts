import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SlotIndex } from '../../src/knocks/dormant-index.js';
import { KIND } from '../../src/knocks/dormant-segment.js';
import { DormantSlots } from '../../src/knocks/dormant-slots.js';
import { seeded } from '../model/recipes.js';

/** Keys of one word, with few hashes, beside the map that the index should be like. */
class IndexPair {
  readonly #keyOfSlot = new Map<number, number>();
  readonly #slotOfKey = new Map<number, number>();
  readonly #index = new SlotIndex({
    isAt: (slot, words) => this.#keyOfSlot.get(slot) === words[0],
  });
  #nextSlot = 0;

  constructor(private readonly hashes: number) {}

  get bytes(): number {
    return this.#index.bytes;
  }

  toggle(key: number): void {
    const slot = this.#slotOfKey.get(key);
    if (slot === undefined) {
      this.#slotOfKey.set(key, this.#nextSlot);
      this.#keyOfSlot.set(this.#nextSlot, key);
      this.#index.add(this.#hashOf(key), this.#nextSlot++);
    } else {
      this.#index.remove(this.#hashOf(key), slot);
      this.#slotOfKey.delete(key);
      this.#keyOfSlot.delete(slot);
    }
  }

  move(key: number): void {
    const slot = this.#slotOfKey.get(key);
    if (slot === undefined) return;
    this.#keyOfSlot.delete(slot);
    this.#slotOfKey.set(key, this.#nextSlot);
    this.#keyOfSlot.set(this.#nextSlot, key);
    this.#index.move(this.#hashOf(key), slot, this.#nextSlot++);
  }

  check(key: number): void {
    const found = this.#index.find(this.#hashOf(key), new Uint32Array([key]));
    assert.equal(found, this.#slotOfKey.get(key) ?? -1);
  }

  #hashOf(key: number): number {
    return Math.imul(key % this.hashes, 0x9e3779b1) ^ (key % 3 === 0 ? -0x80000000 : 0);
  }
}

describe('the index of the dormant table', () => {
  it('finds what was added, moved and not removed, in the middle of a resize too', () => {
    const input = fc.record({
      seed: fc.nat(),
      hashes: fc.constantFrom(1, 10, 1000, 1_000_000),
      /** Keys are drawn from so many, one phase after the other: it grows and shrinks. */
      phases: fc.array(fc.constantFrom(5, 50, 150, 600), { maxLength: 12 }),
    });
    fc.assert(
      fc.property(input, ({ seed, hashes, phases }) => {
        const random = seeded(seed);
        const pair = new IndexPair(hashes);
        for (const keys of phases) {
          for (let i = 0; i < keys * 2; i++) {
            pair.toggle(random(keys));
            pair.move(random(600));
            for (let n = 0; n < 4; n++) pair.check(random(600));
          }
        }
        for (let key = 0; key < 600; key++) pair.check(key);
      }),
      { numRuns: 100 },
    );
  });

  it('is half full at most, and gives back what it grew by', () => {
    const pair = new IndexPair(1_000_000);
    const fewest = pair.bytes;
    for (let key = 0; key < 10_000; key++) pair.toggle(key);
    assert.ok(pair.bytes <= 8 * 3 * 16_384, `${pair.bytes} bytes`);
    for (let key = 0; key < 10_000; key++) pair.toggle(key);
    assert.equal(pair.bytes, fewest);
  });
});

describe('a resize of the index', () => {
  it('goes on for many additions, so that none of them takes long', () => {
    const pair = new IndexPair(1_000_000);
    for (let key = 0; key <= 8192; key++) pair.toggle(key);
    const [small, large] = [16_384 * 8, 32_768 * 8];
    for (let key = 10_000; key < 10_500; key++) {
      assert.equal(pair.bytes, small + large);
      pair.toggle(key);
    }
    for (let key = 10_500; key < 10_520; key++) pair.toggle(key);
    assert.equal(pair.bytes, large);
  });
});

describe('slots', () => {
  it('are used again, however many records come and go', () => {
    const slots = new DormantSlots(1000, () => assert.fail('nothing is in the way'));
    let most = 0;
    for (let n = 0; n < 100_000; n++) {
      if (n % 5000 === 0) while (slots.size > 0) slots.remove(slots.oldest());
      if (slots.size === 1000) slots.remove(slots.oldest());
      const slot = slots.push();
      slots.segmentOf(slot).kinds[slots.placeOf(slot)] = KIND.knock;
      most = Math.max(most, slot);
    }
    assert.ok(most < 1500, `slot ${most}`);
  });
});
