/** Monotonic milliseconds (CLOCK_MONOTONIC): one clock for core and sensors of a host. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The longest that a timer of node can wait; a longer one would fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Both clocks, so that tests can inject time. Wall time only matters across restarts. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since the Unix epoch. */
  wall(): number;
}

export const systemClock: Clock = { now: monotonicMs, wall: Date.now };
