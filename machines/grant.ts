/**
 * A grant, from the completed sequence to the closed door, as a pure machine over the journal's
 * events: no clock, no I/O. Live grants are advanced by it, and a fold of the journal by it says
 * after a crash what is still open (DESIGN 5, 6).
 *
 * It must take whatever a journal can hold: events twice, out of order, or without their beginning
 * (trimmed). So an event that means nothing in a phase is ignored, never an error.
 */
import { assign, setup } from 'xstate';
import type { EventBody, EventOf } from '../src/journal/events.js';
import { stepOf } from './step.js';

/**
 * completed  a sequence was completed; nothing has run
 * opening    sinks are being opened, or were when the process died
 * open       a sink has reported; `until` counts
 * closing    sinks are being closed, perhaps tried again (G5)
 * failed     closing was given up: the door may still be open, and somebody was alarmed
 */
export type GrantPhase =
  | 'completed'
  | 'opening'
  | 'open'
  | 'closing'
  | 'failed'
  | 'closed'
  | 'abandoned';

/**
 * open    opened, or failed to open and still to be closed (G4)
 * kept    has no deadline: nothing to take back
 * closed  taken back
 * stuck   could not be taken back
 */
export type SinkPhase = 'open' | 'kept' | 'closed' | 'stuck';

export interface SinkState {
  readonly phase: SinkPhase;
  /** Wall clock ms since the epoch; null: none. */
  readonly untilMs: number | null;
  /** Failed attempts to close in the current series. */
  readonly attempts: number;
  /** Why it did not open (G4). */
  readonly openFailure?: string;
}

export interface GrantContext {
  readonly id: string;
  readonly host: string;
  readonly door: string;
  readonly source: string;
  readonly configuration: string;
  /** Stream id of the event that began it here: a trim must leave it and all that follow. */
  readonly eventId: string;
  /** Wall clock ms since the epoch when this host learned that the sequence was completed. */
  readonly completedAtMs: number;
  /** The last knock for it: wall clock ms by the clock of the host that was knocked. */
  readonly knockedAtMs: number;
  /** The host that was knocked, for a grant that the cluster gave. */
  readonly from?: string;
  /** It may be open for so many milliseconds only, less than its door says. */
  readonly openForMs?: number;
  /** The provisional deadline (G10): wall clock ms; null: the grant has none. */
  readonly provisionalMs: number | null;
  readonly sinks: Readonly<Record<string, SinkState>>;
}

/** Plain data: can be kept, compared and taken up again with `advanceGrant`. */
export interface GrantState {
  readonly phase: GrantPhase;
  readonly context: GrantContext;
}

/** The journal's events that are about one grant. */
export type GrantEvent = Extract<EventBody, { readonly grant: string }>;

function withSink(
  context: GrantContext,
  sink: string,
  change: (before: SinkState | undefined) => SinkState,
): Pick<GrantContext, 'sinks'> {
  return { sinks: { ...context.sinks, [sink]: change(context.sinks[sink]) } };
}

function reported(event: EventOf<'Opened'> | EventOf<'OpenFailed'>) {
  return (before: SinkState | undefined): SinkState => {
    // A report that comes twice, or late, must not open what was closed.
    if (before !== undefined) return before;
    return {
      phase: event.until === null ? 'kept' : 'open',
      untilMs: event.until,
      attempts: 0,
      ...(event.type === 'OpenFailed' && { openFailure: event.reason }),
    };
  };
}

function closeFailed(event: EventOf<'CloseFailed'>) {
  return (before: SinkState | undefined): SinkState => {
    if (before?.phase === 'closed') return before;
    return {
      ...before,
      untilMs: before?.untilMs ?? null,
      phase: event.final ? 'stuck' : 'open',
      attempts: Math.max(before?.attempts ?? 0, event.attempt),
    };
  };
}

function mapSinks(
  context: GrantContext,
  change: (sink: SinkState) => SinkState,
): Pick<GrantContext, 'sinks'> {
  const entries = Object.entries(context.sinks);
  return {
    sinks: Object.fromEntries(
      entries.map(([name, sink]): [string, SinkState] => [name, change(sink)]),
    ),
  };
}

function later(current: number | null, until: number): number {
  return Math.max(current ?? until, until);
}

/** Every sink that reported is done; a grant with a deadline also waits for one that closes. */
function isDone({ sinks, provisionalMs }: GrantContext): boolean {
  const phases = Object.values(sinks).map((sink) => sink.phase);
  if (phases.length === 0 || phases.includes('open')) return false;
  return provisionalMs === null || phases.some((phase) => phase !== 'kept');
}

const isStuck = ({ sinks }: GrantContext) =>
  Object.values(sinks).some((sink) => sink.phase === 'stuck');

export const grantMachine = setup({
  types: {
    context: {} as GrantContext,
    events: {} as GrantEvent,
    input: {} as GrantContext,
  },
  guards: {
    done: ({ context }) => isDone(context),
    doneButStuck: ({ context }) => isDone(context) && isStuck(context),
    nothingStuck: ({ context }) => !isStuck(context),
  },
  actions: {
    provision: assign(({ event }) =>
      event.type === 'Opening' ? { provisionalMs: event.until } : {},
    ),
    report: assign(({ context, event }) =>
      event.type === 'Opened' || event.type === 'OpenFailed'
        ? withSink(context, event.sink, reported(event))
        : {},
    ),
    extend: assign(({ context, event }) => {
      if (event.type !== 'Extended') return {};
      const until = event.until;
      return {
        provisionalMs: later(context.provisionalMs, until),
        knockedAtMs: later(context.knockedAtMs, event.knockedAtMs ?? 0),
        ...mapSinks(context, (sink) =>
          sink.phase === 'open' ? { ...sink, untilMs: later(sink.untilMs, until) } : sink,
        ),
      };
    }),
    close: assign(({ context, event }) =>
      event.type === 'Closed'
        ? withSink(context, event.sink, (before) => ({
            ...before,
            phase: 'closed',
            untilMs: before?.untilMs ?? null,
            attempts: before?.attempts ?? 0,
          }))
        : {},
    ),
    failClose: assign(({ context, event }) =>
      event.type === 'CloseFailed' ? withSink(context, event.sink, closeFailed(event)) : {},
    ),
    retry: assign(({ context }) =>
      mapSinks(context, (sink) =>
        sink.phase === 'stuck' ? { ...sink, phase: 'open', attempts: 0 } : sink,
      ),
    ),
  },
}).createMachine({
  id: 'grant',
  context: ({ input }) => input,
  initial: 'completed',
  states: {
    completed: {
      on: {
        Opening: { target: 'opening', actions: 'provision' },
        // A door that runs nothing needs no Opening.
        Opened: { target: 'open', actions: 'report' },
        Abandoned: 'abandoned',
      },
    },
    opening: {
      on: {
        Opened: { target: 'open', actions: 'report' },
        OpenFailed: { target: 'open', actions: 'report' },
        Extended: { actions: 'extend' },
        Closing: 'closing',
        // Written when the Opening could not be made durable, so nothing ran.
        Abandoned: 'abandoned',
      },
    },
    open: {
      always: { guard: 'done', target: 'closed' },
      on: {
        Opened: { actions: 'report' },
        OpenFailed: { actions: 'report' },
        Extended: { actions: 'extend' },
        Closing: 'closing',
      },
    },
    closing: {
      always: [
        { guard: 'doneButStuck', target: 'failed' },
        { guard: 'done', target: 'closed' },
      ],
      on: {
        Opened: { actions: 'report' },
        OpenFailed: { actions: 'report' },
        Closed: { actions: 'close' },
        CloseFailed: { actions: 'failClose' },
      },
    },
    failed: {
      always: { guard: 'nothingStuck', target: 'closed' },
      on: {
        // A new start tries once more.
        Closing: { target: 'closing', actions: 'retry' },
        Closed: { actions: 'close' },
      },
    },
    closed: { type: 'final' },
    abandoned: { type: 'final' },
  },
});

const step = stepOf(grantMachine);

/** The state of a grant just completed. */
export function newGrant(grant: Omit<GrantContext, 'provisionalMs' | 'sinks'>): GrantState {
  return { phase: 'completed', context: { ...grant, provisionalMs: null, sinks: {} } };
}

/** The state after one more event. Never throws; an event without meaning here changes nothing. */
export function advanceGrant(state: GrantState, event: GrantEvent): GrantState {
  if (isFinal(state)) return state;
  const snapshot = grantMachine.resolveState({ value: state.phase, context: state.context });
  const [next] = step(snapshot, event);
  return { phase: next.value, context: next.context };
}

export function isFinal(state: GrantState): boolean {
  return state.phase === 'closed' || state.phase === 'abandoned';
}

/** When the last of its open sinks is to be closed (wall clock ms); null: no deadline. */
export function deadlineOf({ context }: GrantState): number | null {
  const open = Object.values(context.sinks).filter((sink) => sink.phase === 'open');
  const untils = open.flatMap(({ untilMs }) => (untilMs === null ? [] : [untilMs]));
  return untils.length === 0 ? context.provisionalMs : Math.max(...untils);
}
