/** What the events of a grant make owed: the same when they happen and when they are read again. */
import type { Door } from '../../config/types.js';
import type { GrantEvent, GrantState } from '../../machines/grant.js';
import type { SinkEvent } from '../../sinks/settings.js';
import type { Sink, SinkCall } from '../../sinks/types.js';
import type { EventOf } from '../journal/events.js';
import type { Delivery, DeliveryName } from './types.js';

/** What a sink reported: all that anything is told of. */
export type Report = EventOf<'Opened' | 'OpenFailed' | 'Closed' | 'CloseFailed'>;

export function isReport(event: GrantEvent): event is Report {
  return ['Opened', 'OpenFailed', 'Closed', 'CloseFailed'].includes(event.type);
}

/** One text for each name. */
export function keyOf({ grant, sink, event, about = '' }: DeliveryName): string {
  return JSON.stringify([grant, sink, event, about]);
}

/** Whether the sink has anything to do when it is told that. */
export function takes(sink: Sink, event: SinkEvent): boolean {
  if (event === 'failed') return sink.failed !== undefined;
  return sink.delivery !== undefined && (event === 'open' || sink.close !== undefined);
}

/** A grant of which something happened. */
export interface Happening {
  /** After the event. */
  readonly state: GrantState;
  readonly door: Door;
  /** Wall clock ms since the epoch. */
  readonly atMs: number;
}

/** What is owed to these sinks of the door because of the event. */
export function owedFor(event: Report, happening: Happening, sinks: readonly Sink[]): Delivery[] {
  const given = (sink: Sink, call: Pick<SinkCall, 'event' | 'reason'>, about?: string) =>
    takes(sink, call.event) ? [deliveryOf(sink.name, call, about, happening)] : [];
  const own = sinks.filter(({ name }) => name === event.sink);
  switch (event.type) {
    case 'Opened':
      return own.flatMap((sink) => given(sink, { event: 'open' }));
    case 'Closed':
      return own.flatMap((sink) => given(sink, { event: 'close' }));
    default: {
      const failure = failureOf(event, happening.state, own);
      if (failure === undefined) return [];
      const { about, reason } = failure;
      return sinks.flatMap((sink) => given(sink, { event: 'failed', reason }, about));
    }
  }
}

/** A failure in words, if it is one that is told; `own`: the sink itself, if it is known. */
function failureOf(
  { type, sink, reason, ...rest }: EventOf<'OpenFailed' | 'CloseFailed'>,
  { context }: GrantState,
  own: readonly Sink[],
): { readonly about: string; readonly reason: string } | undefined {
  if (type === 'CloseFailed') {
    const isFinal = 'final' in rest && rest.final;
    const what = `${sink} could not be closed, so the door may still be open: ${reason}`;
    return isFinal ? { about: `close ${sink}`, reason: what } : undefined;
  }
  // One that tells others fails to open only with all that were opening when postern ended.
  const others = Object.entries(context.sinks).filter(([name]) => name !== sink);
  const isTold = others.some(([, { openFailure }]) => openFailure !== undefined);
  if (isTold && own.some(({ delivery }) => delivery !== undefined)) return undefined;
  return { about: `open ${sink}`, reason: `${sink} did not open: ${reason}` };
}

function deliveryOf(
  sink: string,
  call: Pick<SinkCall, 'event' | 'reason'>,
  about: string | undefined,
  { state, door, atMs }: Happening,
): Delivery {
  const { id, source, host, configuration, eventId, completedAtMs } = state.context;
  const untilMs = untilOf(state);
  return {
    name: { grant: id, sink, event: call.event, about },
    call: {
      ...call,
      atMs,
      grant: { id, door: door.name, source, host, untilMs, leftMs: null, completedAtMs, atMs },
    },
    door,
    configuration,
    eventId,
  };
}

/** Until when the grant is open, or was to be: as its sinks were told, else provisionally (G10). */
function untilOf({ context }: GrantState): number | null {
  const told = Object.values(context.sinks).flatMap(({ untilMs }) => untilMs ?? []);
  return told.length > 0 ? Math.max(...told) : context.provisionalMs;
}
