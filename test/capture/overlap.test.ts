import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Overlap, type Side } from '../../src/capture/overlap.js';

/** How often each frame was delivered when the sides saw them in this order. */
function delivered(events: readonly (readonly [Side, string])[]): Map<string, number> {
  const overlap = new Overlap();
  const counts = new Map<string, number>();
  for (const [side, text] of events) {
    const frame = Buffer.from(text);
    if (overlap.isFirst(side, frame, frame.length)) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

describe('an old and a new capture side by side', () => {
  it('deliver a frame that both see once, and one that either sees once', () => {
    const events = [
      ['old', 'a'],
      ['new', 'a'],
      ['new', 'b'],
      ['old', 'b'],
      ['old', 'c'],
      ['new', 'd'],
    ] as const;
    assert.deepEqual(Object.fromEntries(delivered(events)), { a: 1, b: 1, c: 1, d: 1 });
  });

  it('deliver equal frames as often as they were sent, in whatever order the sides are read', () => {
    const side = fc.constantFrom<Side>('old', 'new');
    const event = fc.tuple(side, fc.constantFrom('a', 'b'));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        for (const [text, count] of delivered(events)) {
          const seen = (wanted: Side) =>
            events.filter(([from, what]) => from === wanted && what === text).length;
          assert.equal(count, Math.max(seen('old'), seen('new')));
        }
      }),
    );
  });
});
