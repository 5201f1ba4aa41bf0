/**
 * The opening of one grant's sinks, all at once, each with an outcome of its own.
 *
 * The time of those that will be closed again is one: it counts from the end of the slowest of them
 * (G1: the end of the start command). One that opens at once and times itself, as the kernel does,
 * is told a provisional deadline first, and the right one when it is known.
 */
import type { Door } from '../../config/types.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import type { EventOf } from '../journal/events.js';
import { type ActContext, extendSink, openSink } from './acts.js';

/** A sink was told a deadline that is off by no more than this: nothing it would have to mend. */
const SAME_DEADLINE_MS = 100;

export interface OpeningRequest {
  readonly sinks: readonly Sink[];
  /** How long the sinks that will be closed are open, milliseconds; asked when they are. */
  readonly openForMs: () => number;
  /** Monotonic ms of the provisional deadline (G10); null: nothing will be closed. */
  readonly provisionalMs: number | null;
  /** The grant for a sink, with the time left until that deadline (monotonic ms; null: none). */
  readonly grantUntil: (deadlineMs: number | null) => SinkGrant;
  /** One sink's outcome. */
  readonly note: (event: EventOf<'Opened'> | EventOf<'OpenFailed'>) => void;
  /** The deadline (monotonic ms) of the sinks that will be closed; told before their outcomes. */
  readonly onDeadline: (deadlineMs: number) => void;
  readonly context: ActContext;
}

export interface SinkOpening {
  /** Resolves when every sink that will be closed has reported. */
  readonly closable: Promise<void>;
  /** Resolves when every other sink has: that may take for ever (G10). */
  readonly kept: Promise<void>;
  /** Ends the opening of the sinks that will be closed; they report that, and are due at once. */
  breakOff(why: string): void;
  /** Lets go of the others: what runs, runs on. */
  letGo(why: string): void;
}

const isClosable = ({ close }: Sink): boolean => close !== undefined;

/** Milliseconds that an opening may last before the deadline is known (G10); null: for ever. */
export function provisionalMs(
  closable: readonly Sink[],
  { commandTimeoutMs }: Pick<Door, 'commandTimeoutMs'>,
  openForMs: number,
): number | null {
  if (closable.length === 0) return null;
  // What the kernel times, it opens in no time.
  const slow = closable.some(({ kernelTimed }) => kernelTimed !== true);
  return (slow ? commandTimeoutMs : 0) + openForMs;
}

/** Calls `open` of every sink that acts before it returns. */
export function startOpening(request: OpeningRequest): SinkOpening {
  const breaking = new AbortController();
  const leaving = new AbortController();
  const closable = request.sinks.filter(isClosable);
  const kept = request.sinks.filter((sink) => !isClosable(sink));
  const closing = openClosable(closable, request, breaking.signal);
  return {
    closable: closing,
    kept: openKept(kept, closing, request, leaving.signal),
    breakOff: (why) => breaking.abort(new Error(why)),
    letGo: (why) => leaving.abort(new Error(why)),
  };
}

async function openKept(
  sinks: readonly Sink[],
  closable: Promise<void>,
  { grantUntil, note, context }: OpeningRequest,
  signal: AbortSignal,
): Promise<void> {
  const grant = grantUntil(null);
  const openings = sinks.map(async (sink) => {
    // What tells others says until when the others are open.
    if (sink.delivery !== undefined) await closable;
    note(outcomeOf(sink, grant, null, await openSink(sink, grant, signal, context)));
  });
  await Promise.all(openings);
}

async function openClosable(
  sinks: readonly Sink[],
  { openForMs, provisionalMs, grantUntil, note, onDeadline, context }: OpeningRequest,
  signal: AbortSignal,
): Promise<void> {
  if (sinks.length === 0) return;
  const { clock } = context;
  const provisional = grantUntil(provisionalMs);
  const failures = await Promise.all(
    sinks.map((sink) => openSink(sink, provisional, signal, context)),
  );
  const openMs = signal.aborted ? 0 : openForMs();
  const deadlineMs = clock.now() + openMs;
  const until = Math.round(clock.wall() + openMs);
  onDeadline(deadlineMs);
  const wasTold = Math.abs(deadlineMs - (provisionalMs ?? 0)) <= SAME_DEADLINE_MS;
  sinks.forEach((sink, index) => {
    const failure = failures[index];
    // Not waited for: a close must not hang on it.
    if (!wasTold && failure === undefined && !signal.aborted) {
      void extendSink(sink, grantUntil(deadlineMs), context);
    }
    note(outcomeOf(sink, provisional, until, failure));
  });
}

function outcomeOf(
  { name }: Sink,
  { id: grant }: SinkGrant,
  until: number | null,
  failure: string | undefined,
): EventOf<'Opened'> | EventOf<'OpenFailed'> {
  const about = { grant, sink: name, until };
  // A sink that failed is still to be closed (G4).
  return failure === undefined
    ? { type: 'Opened', ...about }
    : { type: 'OpenFailed', ...about, reason: failure };
}
