import assert from 'node:assert/strict';
import { best, checkRatios, middle, worse } from '../../bench/lib/compare.js';

describe('ratios of the bench', () => {
  it('are good up to twice what was recorded', () => {
    assert.deepEqual(worse({ a: 0.4, b: 3 }, { a: 0.2, b: 4 }), []);
  });

  it('are named with both values when they are worse', () => {
    const problems = worse({ a: 0.5, b: 3 }, { a: 0.2, b: 4 });
    assert.deepEqual(problems, ['a: 0.500, 2.50 times the recorded 0.200']);
  });

  it('fail when they are missing, no number, or new', () => {
    assert.match(worse({}, { a: 1 }).join(), /^a: not measured/);
    assert.match(worse({ a: Number.NaN }, { a: 1 }).join(), /^a: not measured \(NaN\)/);
    assert.match(worse({ a: 0 }, { a: 1 }).join(), /^a: not measured \(0\)/);
    assert.match(worse({ a: 1 }, {}).join(), /^a: 1.00, not recorded/);
    assert.match(worse({ a: 1 }, undefined).join(), /nothing is recorded/);
  });

  it('count at their best of several runs, whatever else was wrong in one', () => {
    const runs = [{ a: 3, b: Number.NaN }, { a: 1, b: 5 }, { a: 2 }];
    assert.deepEqual(best(runs), { a: 1, b: 5 });
    assert.deepEqual(best([{ a: Number.NaN }]), { a: Number.NaN });
  });

  it('are recorded from the middle of several runs, and only when they can be compared', () => {
    assert.deepEqual(middle([{ a: 9 }, { a: 1 }, { a: 2 }]), { a: 2 });
    checkRatios({ a: 2 });
    assert.throws(() => checkRatios({ a: 2, b: 0 }), /"b" is 0/);
  });
});
