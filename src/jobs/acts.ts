/** What a sink does about a grant, and how it is told: its outcome, never an exception. */
import type { Door } from '../../config/types.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import type { Clock } from '../clock.js';
import { reasonOf } from '../errors.js';
import type { EventOf } from '../journal/events.js';
import type { Log } from '../log/types.js';
import type { ReachStep } from './steps.js';

export interface ActContext {
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each step as it is reached; for tests. */
  readonly reach: ReachStep;
}

/** A sink that does not say within this that it moved a deadline is not waited for, milliseconds. */
const EXTEND_WITHIN_MS = 5000;

/** Opens; never rejects. Resolves with why it failed, or undefined. */
export async function openSink(
  sink: Sink,
  grant: SinkGrant,
  signal: AbortSignal,
  { log, reach }: ActContext,
): Promise<string | undefined> {
  let failure: string | undefined;
  try {
    await sink.open(grant, signal);
  } catch (error) {
    failure = reasonOf(error);
    log.warn({ ...namesOf(grant, sink.name), reason: failure }, 'opening failed');
  }
  reach('sink-opened');
  return failure;
}

/** Tells a sink that cares of a deadline that moved; never rejects. */
export async function extendSink(
  sink: Sink,
  grant: SinkGrant,
  { log, reach }: ActContext,
): Promise<void> {
  try {
    await sink.extend?.(grant, AbortSignal.timeout(EXTEND_WITHIN_MS));
  } catch (error) {
    const fields = { ...namesOf(grant, sink.name), reason: reasonOf(error) };
    log.error(fields, 'the new deadline could not be set: it may close at the former one');
  }
  reach('sink-extended');
}

/** One attempt to close, the n-th of its series; never rejects. The last one alarms (G5). */
export async function closeSink(
  sink: Sink,
  grant: SinkGrant,
  door: Door,
  attempt: number,
  { log, reach }: ActContext,
): Promise<EventOf<'Closed'> | EventOf<'CloseFailed'>> {
  const about = { grant: grant.id, sink: sink.name };
  try {
    // An attempt is never broken off: a sink bounds its own time (G10).
    await sink.close?.(grant, new AbortController().signal);
  } catch (error) {
    reach('sink-closed');
    const reason = reasonOf(error);
    const final = attempt > door.stopRetries;
    const fields = { ...namesOf(grant, sink.name), attempt, reason };
    if (final) log.error(fields, 'THE DOOR MAY STILL BE OPEN: closing failed for good');
    else log.warn(fields, 'closing failed and is tried again');
    return { type: 'CloseFailed', ...about, attempt, final, reason };
  }
  reach('sink-closed');
  return { type: 'Closed', ...about };
}

function namesOf({ id, door, source }: SinkGrant, sink: string) {
  return { grant: id, door, source, sink };
}
