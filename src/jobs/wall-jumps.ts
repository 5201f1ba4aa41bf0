/**
 * Notices that the wall clock was set (T13). BullMQ counts a delay by the wall clock: after a jump
 * its jobs come too early, which the arbiter sees, or too late, so each has to be asked for anew.
 */
import type { Clock } from '../clock.js';

/** What NTP slews in between is far less; a jump of less than this is no harm. Milliseconds. */
const JUMP_MS = 100;

/** Gives, at each call, by how many milliseconds the wall clock jumped since the call before. */
export function watchWallClock(clock: Clock): () => number {
  const offset = () => clock.wall() - clock.now();
  let before = offset();
  return () => {
    const jumpMs = offset() - before;
    if (Math.abs(jumpMs) < JUMP_MS) return 0;
    before += jumpMs;
    return jumpMs;
  };
}
