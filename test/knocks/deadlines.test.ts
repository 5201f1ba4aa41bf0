import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Alarm, Deadlines } from '../../src/knocks/deadlines.js';

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

  it('leave out those that were taken back, from wherever they stood', () => {
    // Large enough for an alarm to be put where it has to rise.
    const wish = fc.record({ atMs: fc.nat(1000), isTakenBack: fc.boolean() });
    const times = fc.array(wish, { maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(times, fc.nat(1000), (wanted, now) => {
        const deadlines = new Deadlines();
        const alarms = wanted.map(({ atMs }, i) => deadlines.add(atMs, `s${i}`));
        const takenBack = alarms.filter((_, i) => wanted[i]?.isTakenBack);
        for (const alarm of takenBack) deadlines.remove(alarm);
        // Once more is no more.
        for (const alarm of takenBack) deadlines.remove(alarm);
        const left = alarms.filter((alarm) => !takenBack.includes(alarm));
        assert.equal(deadlines.size, left.length);
        const due: Alarm[] = [];
        for (let a = deadlines.takeDue(now); a; a = deadlines.takeDue(now)) due.push(a);
        const times = left.map(({ atMs }) => atMs).filter((at) => at <= now);
        assert.deepEqual(
          due.map(({ atMs }) => atMs),
          times.sort((a, b) => a - b),
        );
        assert.deepEqual(new Set(due), new Set(left.filter(({ atMs }) => atMs <= now)));
        for (const alarm of due) deadlines.remove(alarm);
        assert.equal(deadlines.size, left.length - due.length);
      }),
    );
  });
});
