import assert from 'node:assert/strict';
import { MembersLog } from '../../../src/cluster/members-log.js';
import { Roster } from '../../../src/cluster/roster.js';
import { recordingLog } from '../../support/recording-log.js';

const LOOK_MS = 2000;
const HOUR_MS = 3_600_000;

describe('what a hostile shared Redis makes hosts say (T5)', () => {
  it('is bounded, whatever names it gives to nonsense', () => {
    const log = recordingLog();
    const members = new MembersLog(log, 2000);
    const roster = new Roster('b1', 'ours', () => 'foreign');
    const look = (n: number, nowMs: number) => {
      const beats = Array.from({ length: 200 }, (_, each) => [`b${n}-${each}`, 'x'] as const);
      roster.take(new Map(beats), { monotonicMs: nowMs, wallMs: nowMs, aheadMs: 0 });
      members.report([], roster, nowMs);
    };
    for (let n = 0; n < 100; n += 1) look(n, n * LOOK_MS);
    assert.equal(log.entries.length, 1000);
    look(100, HOUR_MS + LOOK_MS);
    assert.equal(log.entries.length, 1200, 'an hour later it is said again');
  });
});
