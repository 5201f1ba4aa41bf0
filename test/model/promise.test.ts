import assert from 'node:assert/strict';
import { described } from './agreement.js';
import { knockdModel } from './knockd.js';
import { brokenPromises, explain, knockdOpenings, openingsOf } from './promise.js';
import { seededRecipe } from './recipes.js';
import { referenceModel } from './reference.js';
import { type Stream, streamOf } from './streams.js';

const STREAMS = Number(process.env['PAPER_STREAMS'] ?? 5000);

/** Compares both models over one stream, strays not looked at (M7 off). */
function compare({ doors, rules, host, packets }: Stream) {
  const knockd = knockdOpenings(knockdModel(doors, host), packets);
  const off = { ...rules, strayLimit: 'off' } as const;
  const postern = openingsOf(referenceModel(doors, off, host), packets);
  return {
    knockd,
    broken: brokenPromises(knockd, postern, doors),
    explained: explain(knockd, postern, packets, doors, host),
  };
}

describe('the promise to users of knockd, on paper', () => {
  it(`${STREAMS} random streams: what knockd opens postern opens, what more is explained`, function () {
    this.timeout(60_000 + STREAMS * 5);
    const base = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 1e9));
    const counts = new Map<string, number>();
    let openings = 0;
    for (let seed = base; seed < base + STREAMS; seed += 1) {
      const stream = streamOf(seededRecipe(seed, 60));
      const { knockd, broken, explained } = compare(stream);
      openings += knockd.length;
      const where = () => `MODEL_SEED=${seed}\n${described(stream)}`;
      assert.deepEqual(broken, [], `knockd opens, postern does not: ${where()}`);
      assert.deepEqual(explained.unexplained, [], `opened for no reason: ${where()}`);
      for (const [rule, count] of explained.counts) {
        counts.set(rule, (counts.get(rule) ?? 0) + count);
      }
    }
    // The streams bite: a run that opens nothing shows nothing.
    assert.ok(openings > 5 * STREAMS, `only ${openings} openings by knockd`);
    for (const rule of ['M3', 'M5', 'M9']) {
      assert.ok((counts.get(rule) ?? 0) > STREAMS / 20, `${rule}: ${counts.get(rule) ?? 0}`);
    }
    console.log(
      `      knockd ${openings}, extra ${[...counts].map((one) => one.join(' ')).join(', ')}`,
    );
  });
});
