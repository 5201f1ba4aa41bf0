import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareIds, IdSource, successor } from '../../src/journal/ids.js';

describe('ids of the journal', () => {
  it('only grow, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e15, max: 1e15, noNaN: true })), (walls) => {
        const source = new IdSource();
        const ids = ['0-0', ...walls.map((wall) => source.next(wall))];
        for (const [index, id] of ids.slice(1).entries()) {
          assert.ok(compareIds(ids[index]!, id) < 0);
        }
      }),
    );
  });

  it('are larger than any that was learned', () => {
    const source = new IdSource();
    source.learn('2000-18446744073709551614');
    source.learn('1000-5');
    assert.equal(source.next(1500), '2000-18446744073709551615');
    assert.equal(source.next(3000), '3000-0');
  });

  it('compare as numbers', () => {
    assert.ok(compareIds('9-0', '10-0') < 0);
    assert.ok(compareIds('5-10', '5-9') > 0);
    assert.equal(compareIds('5-1', '5-1'), 0);
    assert.equal(successor('5-9'), '5-10');
    assert.throws(() => compareIds('5', '5-0'), RangeError);
  });
});
