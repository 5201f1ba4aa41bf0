import assert from 'node:assert/strict';
import fc from 'fast-check';
import { firstDifference } from './agreement.js';
import { seededRecipe, streamRecipe } from './recipes.js';
import { streamOf } from './streams.js';

const STREAMS = Number(process.env['MODEL_STREAMS'] ?? 5000);

describe('the matcher agrees with the rules M1–M11', () => {
  it('opens the same doors at the same packets (shrinking)', function () {
    this.timeout(120_000);
    fc.assert(
      fc.property(streamRecipe(60), fc.array(fc.boolean()), (recipe, ticks) => {
        const difference = firstDifference(streamOf(recipe), (index) => ticks[index] === true);
        assert.equal(difference, undefined, difference);
      }),
      { numRuns: Math.ceil(STREAMS / 10) },
    );
  });

  it(`opens the same doors at the same packets (${STREAMS} streams by seed)`, function () {
    this.timeout(60_000 + STREAMS * 20);
    const base = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 1e9));
    for (let seed = base; seed < base + STREAMS; seed += 1) {
      const difference = firstDifference(streamOf(seededRecipe(seed, 60)), (i) => i % 7 === 3);
      assert.equal(difference, undefined, `MODEL_SEED=${seed}: ${difference}`);
    }
  });

  it('and where sequences are replaced under way, nobody finishes one on old stages (M11)', function () {
    this.timeout(60_000 + STREAMS * 20);
    const base = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 1e9));
    for (let seed = base; seed < base + STREAMS / 5; seed += 1) {
      const stream = streamOf(seededRecipe(seed, 60));
      const difference = firstDifference(
        stream,
        (i) => i % 7 === 3,
        (i) => i % 9 === 5,
      );
      assert.equal(difference, undefined, `MODEL_SEED=${seed}: ${difference}`);
    }
  });
});
