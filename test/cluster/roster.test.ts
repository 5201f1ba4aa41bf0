import assert from 'node:assert/strict';
import type { Beat } from '../../src/cluster/beat.js';
import { Roster } from '../../src/cluster/roster.js';

const WALL_MS = 1.7e12;
const HOUR_MS = 3_600_000;

/** A sign of life of that instance, written after so many seconds. */
function beat(host: string, instance: string, counter: number, seconds: number): Beat {
  return {
    ...{ host, instance, counter, atMs: WALL_MS + seconds * 1000, aheadMs: 0 },
    ...{ version: '1.0', doors: [], stopping: false },
  };
}

/** The roster of host `b1`, whose beats are read as they are; `text: junk` does not verify. */
function scene() {
  const texts = new Map<string, Beat>();
  const roster = new Roster('b1', 'ours', (_, text) => texts.get(text) ?? 'foreign');
  const beats = new Map<string, string>();
  let seconds = 0;
  const put = (host: string, content: Beat | string) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    if (typeof content !== 'string') texts.set(text, content);
    beats.set(host, text);
  };
  return {
    /** What stands there after so many seconds; gives how long ago the host was seen. */
    look(afterSeconds: number, host: string, content: Beat | string) {
      seconds = afterSeconds;
      put(host, content);
      const now = { monotonicMs: seconds * 1000, wallMs: WALL_MS + seconds * 1000, aheadMs: 0 };
      roster.take(beats, now);
      return (now.monotonicMs - (roster.peers.get(host)?.seenAtMs ?? Number.NaN)) / 1000;
    },
    verdict: () => roster.judge(seconds * 1000)?.kind,
  };
}

describe('what signs of life say', () => {
  describe('of another host', () => {
    it('is a new one when its counter grew', () => {
      const { look } = scene();
      assert.equal(look(10, 'b2', beat('b2', 'A', 1, 10)), 0);
      assert.equal(look(20, 'b2', beat('b2', 'A', 1, 10)), 10);
      assert.equal(look(21, 'b2', beat('b2', 'A', 2, 21)), 0);
      assert.equal(look(22, 'b2', beat('b2', 'A', 1, 22)), 1);
    });

    it('is as old as the clocks say, but not older than our last look', () => {
      const { look } = scene();
      assert.equal(look(100, 'b2', beat('b2', 'A', 1, 30)), 70);
      assert.equal(look(102, 'b2', beat('b2', 'A', 2, 5)), 2);
      assert.equal(look(160, 'b2', beat('b2', 'A', 3, 120)), 40);
      assert.equal(look(162, 'b2', beat('b2', 'A', 4, 500)), 0);
    });

    it('is not one of an earlier start, seen then or not', () => {
      const { look } = scene();
      look(10, 'b2', beat('b2', 'A', 5, 10));
      look(20, 'b2', beat('b2', 'B', 1, 20));
      assert.equal(look(30, 'b2', beat('b2', 'A', 9, 18)), 10);
      assert.equal(look(31, 'b2', beat('b2', 'A', 9, 31)), 11);
      assert.equal(look(32, 'b2', beat('b2', 'C', 7, 19)), 12);
      assert.equal(look(33, 'b2', beat('b2', 'D', 7, 33)), 0);
    });

    it('is one of a new start, though the last was written by a clock far ahead', () => {
      const { look } = scene();
      look(10, 'b2', beat('b2', 'A', 5, 1e6));
      assert.equal(look(20, 'b2', beat('b2', 'B', 1, 20)), 0);
      assert.equal(look(30, 'b2', beat('b2', 'A', 5, 1e6)), 10);
    });
  });

  describe('under our own name', () => {
    it('is that of a namesake when its counter grows, whatever its clock says', () => {
      const { look, verdict } = scene();
      look(10, 'b1', beat('b1', 'A', 5, 9));
      assert.equal(verdict(), undefined);
      for (let turn = 1; turn < 20; turn += 1) {
        const content = { ...beat('b1', 'A', 5 + turn, 10), atMs: WALL_MS - HOUR_MS };
        look(10 + turn * 2, 'b1', content);
        assert.equal(verdict(), 'refused');
      }
      look(58, 'b1', beat('b1', 'A', 24, 48));
      assert.equal(verdict(), 'refused');
      look(59, 'b1', beat('b1', 'A', 24, 48));
      assert.equal(verdict(), 'fine');
    });

    it('is not that of a namesake when it only went back, as after a failover', () => {
      const { look, verdict } = scene();
      look(10, 'b1', beat('b1', 'B', 5, 9));
      look(11, 'b1', beat('b1', 'B', 4, 7));
      look(12, 'b1', beat('b1', 'A', 90, 6));
      assert.equal(verdict(), undefined);
      look(13, 'b1', beat('b1', 'A', 90, 6));
      assert.equal(verdict(), 'fine');
    });

    it('is that of a namesake when it is of another instance still, and newer', () => {
      const { look, verdict } = scene();
      look(10, 'b1', beat('b1', 'A', 5, 9));
      look(11, 'b1', beat('b1', 'B', 1, 11));
      assert.equal(verdict(), 'refused');
    });

    it('that does not verify is that of a namesake when it changes', () => {
      const { look, verdict } = scene();
      look(10, 'b1', 'junk');
      look(12, 'b1', 'junk');
      assert.equal(verdict(), undefined);
      look(13, 'b1', 'junk');
      assert.equal(verdict(), 'fine');
      look(14, 'b1', 'other junk');
      assert.equal(verdict(), 'refused');
      look(25, 'b1', 'other junk');
      assert.equal(verdict(), 'fine');
    });

    it('is ours, and then there is nobody else', () => {
      const { look, verdict } = scene();
      look(10, 'b1', 'junk');
      look(11, 'b1', 'other junk');
      assert.equal(verdict(), 'refused');
      look(12, 'b1', beat('b1', 'ours', 1, 12));
      assert.equal(verdict(), 'fine');
    });
  });
});
