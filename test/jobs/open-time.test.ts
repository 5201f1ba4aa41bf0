import assert from 'node:assert/strict';
import { newGrant } from '../../machines/grant.js';
import { OpenTime } from '../../src/jobs/open-time.js';

const names = { id: 'g', host: 'h', door: 'd', source: '192.0.2.1', configuration: 'c' };
const times = { eventId: '1-0', completedAtMs: 10, knockedAtMs: 5 };
const FULL_MS = 100;

describe('the time that a grant is open', () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, wall: () => nowMs };
  beforeEach(() => {
    nowMs = 1000;
  });
  const of = (openForMs?: number) =>
    new OpenTime(
      newGrant({ ...names, ...times, ...(openForMs !== undefined && { openForMs }) }),
      FULL_MS,
      clock,
    );
  const knock = (openForMs: number, knockedAtMs = 0) => ({ source: '', openForMs, knockedAtMs });

  it('is what its door says, however long it waits', () => {
    for (const time of [of(), of(FULL_MS), of(500)]) {
      nowMs += 60;
      time.begin();
      nowMs += 60;
      assert.equal(time.ms, FULL_MS);
      assert.equal(time.isOver, false);
    }
  });

  it('is what remains of it when it comes late, and less while it waits to be opened', () => {
    const time = of(70);
    assert.equal(time.ms, 70);
    nowMs += 30;
    assert.equal(time.ms, 40);
    time.begin();
    nowMs += 30;
    assert.equal(time.ms, 40, 'the rest counts from the end of the opening (G1)');
    nowMs += 1000;
    time.begin();
    assert.deepEqual([time.ms, time.isOver], [40, false]);
  });

  it('is over when nothing remains before it could be opened', () => {
    const time = of(70);
    nowMs += 69;
    assert.equal(time.isOver, false);
    nowMs += 1;
    assert.equal(time.isOver, true);
  });

  it('is the longer one of two knocks', () => {
    const time = of(70);
    nowMs += 30;
    time.extend(knock(20));
    assert.equal(time.ms, 40);
    time.extend(knock(60));
    assert.equal(time.ms, 60);
    time.begin();
    nowMs += 50;
    time.extend(knock(80));
    assert.equal(time.ms, 80);
    time.extend(knock(FULL_MS));
    nowMs += 50;
    time.extend(knock(1));
    assert.equal(time.ms, FULL_MS);
  });

  it('knows the last knock, in whatever order they come', () => {
    const time = of(70);
    assert.equal(time.knockedAtMs, 5);
    time.extend(knock(20, 9));
    time.extend(knock(20, 7));
    assert.equal(time.knockedAtMs, 9);
  });
});
