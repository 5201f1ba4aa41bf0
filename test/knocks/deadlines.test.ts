import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Deadlines } from '../../src/knocks/deadlines.js';

describe('deadlines', () => {
  it('come due in order, all of them and none too early', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000)), fc.nat(1000), (times, now) => {
        const deadlines = new Deadlines();
        for (const [i, at] of times.entries()) deadlines.add(at, `s${i}`);
        const due: number[] = [];
        for (let a = deadlines.takeDue(now); a; a = deadlines.takeDue(now)) due.push(a.atMs);
        assert.deepEqual(
          due,
          times.filter((at) => at <= now).sort((a, b) => a - b),
        );
        assert.equal(deadlines.size, times.length - due.length);
        const rest = times.filter((at) => at > now);
        assert.equal(deadlines.nextMs, Math.min(Number.POSITIVE_INFINITY, ...rest));
      }),
    );
  });
});
