/** What a sink did about a grant, as the event that the journal is to hold. */
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

/** Opens; never rejects. A sink that failed is still to be closed (G4). */
export async function openSink(
  sink: Sink,
  grant: SinkGrant,
  door: Door,
  signal: AbortSignal,
  { clock, log, reach }: ActContext,
): Promise<EventOf<'Opened'> | EventOf<'OpenFailed'>> {
  let failure: string | undefined;
  try {
    await sink.open(grant, signal);
  } catch (error) {
    failure = reasonOf(error);
    log.warn({ ...namesOf(grant, sink.name), reason: failure }, 'opening failed');
  }
  reach('sink-opened');
  // G1: the time counts from the end of the start command.
  const until = sink.close === undefined ? null : Math.round(clock.wall() + door.cmdTimeoutMs);
  const result = { grant: grant.id, sink: sink.name, until };
  return failure === undefined
    ? { type: 'Opened', ...result }
    : { type: 'OpenFailed', ...result, reason: failure };
}

/** One attempt to close, the n-th of its series; never rejects. The last one alarms (G5). */
export async function closeSink(
  sink: Sink,
  grant: SinkGrant,
  door: Door,
  attempt: number,
  { log, reach }: Pick<ActContext, 'log' | 'reach'>,
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
