/** Knocks in real time: packets in, what happened out, with one timer for all deadlines. */
import { Observable } from 'rxjs';
import type { DoorTable } from '../../machines/doors.js';
import type { Packet } from '../../machines/types.js';
import type { HostView } from '../capture/types.js';
import { type Clock, LONGEST_TIMER_MS } from '../clock.js';
import { Knocks } from './knocks.js';
import type { KnockEvent, KnockLimits } from './types.js';

/**
 * A packet captured just before its deadline may still be in the sensor's pipe when the deadline
 * comes. The timer therefore acts this much later, and only on deadlines this far in the past: the
 * deadline itself stays exact, by the time the packet was captured (M8).
 */
const PIPE_GRACE_MS = 250;

/**
 * Timeouts in one turn of the event loop, a few milliseconds of work: a million may be due at once,
 * after a reload with a shorter `Seq_Timeout`.
 */
const TIMEOUTS_AT_ONCE = 4000;

export interface LiveKnocksOptions {
  readonly table: DoorTable;
  readonly host: HostView;
  readonly limits: KnockLimits;
  readonly clock: Clock;
}

export interface LiveKnocks {
  readonly knocks: Knocks;
  readonly events$: Observable<KnockEvent>;
}

/** Subscribing to `events$` starts it; unsubscribing, or the end of `packets$`, stops its timer. */
export function liveKnocks(packets$: Observable<Packet>, options: LiveKnocksOptions): LiveKnocks {
  const { table, host, limits, clock } = options;
  let onEvent: (event: KnockEvent) => void = () => {};
  const knocks = new Knocks(table, { host, limits, onEvent: (event) => onEvent(event) });
  const events$ = new Observable<KnockEvent>((subscriber) => {
    onEvent = (event) => subscriber.next(event);
    const alarm = createAlarm(knocks, clock);
    const packets = packets$.subscribe({
      next: (packet) => {
        knocks.packet(packet);
        alarm.arm();
      },
      error: (error) => subscriber.error(error),
      complete: () => subscriber.complete(),
    });
    return () => {
      packets.unsubscribe();
      alarm.stop();
    };
  });
  return { knocks, events$ };
}

function createAlarm(knocks: Knocks, clock: Clock) {
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let armedForMs = Number.POSITIVE_INFINITY;

  function arm(): void {
    const nextMs = knocks.nextDeadlineMs();
    if (nextMs >= armedForMs) return;
    clearTimeout(timer);
    armedForMs = nextMs;
    const inMs = Math.min(LONGEST_TIMER_MS, Math.max(0, nextMs + PIPE_GRACE_MS - clock.now()));
    // After the timer, one round of the event loop reads what waits in the pipe.
    timer = setTimeout(() => {
      immediate = setImmediate(fire);
    }, inMs);
  }

  function fire(): void {
    armedForMs = Number.POSITIVE_INFINITY;
    knocks.advance(clock.now() - PIPE_GRACE_MS, TIMEOUTS_AT_ONCE);
    arm();
  }

  function stop(): void {
    clearTimeout(timer);
    if (immediate !== undefined) clearImmediate(immediate);
  }

  return { arm, stop };
}
