/** A grant of an earlier run, taken over from the journal. */
import type { Door } from '../../config/types.js';
import type { GrantState } from '../../machines/grant.js';
import type { Sink } from '../../sinks/types.js';
import type { Clock } from '../clock.js';
import { Arbiter } from './arbiter.js';
import type { ArbiterContext } from './arbiter-types.js';
import { exclusionKey } from './keys.js';
import { SinkDeadlines } from './sink-deadlines.js';

/** Takes it over; whether it is to be closed at once, or stays open until its deadline. */
export function takeOver(
  state: GrantState,
  door: Door,
  sinks: readonly Sink[],
  context: ArbiterContext,
): { readonly arbiter: Arbiter; readonly isDue: boolean } {
  const isDue = isOverdue(state, door, sinks, context.clock);
  const { source } = state.context;
  const key = exclusionKey(door, source);
  const deadlines = deadlinesOf(state, door, context.clock);
  const arbiter = new Arbiter({ state, door, sinks, key, deadlines }, context);
  return { arbiter, isDue };
}

/** Open, every sink that is to be closed has reported, and there is time left. */
function isOverdue(state: GrantState, door: Door, sinks: readonly Sink[], clock: Clock): boolean {
  if (state.phase !== 'open' || !isSettled(state, sinks)) return true;
  const nextMs = deadlinesOf(state, door, clock).nextMs;
  return nextMs === null || nextMs <= clock.now();
}

/** Whether every sink that is to be closed has reported: only then its outcome is known. */
export function isSettled({ context }: GrantState, sinks: readonly Sink[]): boolean {
  return sinks.every(({ name, close }) => close === undefined || name in context.sinks);
}

/**
 * The time left by the wall clock, the only one that outlives a process; never more than a grant
 * can have, should that clock have gone back.
 */
function deadlinesOf({ context }: GrantState, door: Door, clock: Clock): SinkDeadlines {
  const deadlines = new SinkDeadlines();
  for (const [name, { phase, untilMs }] of Object.entries(context.sinks)) {
    if (phase !== 'open' || untilMs === null) continue;
    const leftMs = Math.min(untilMs - clock.wall(), door.cmdTimeoutMs);
    deadlines.set(name, clock.now() + leftMs);
  }
  return deadlines;
}
