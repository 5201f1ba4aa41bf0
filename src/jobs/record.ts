/** One grant's state and its events: what has happened, and what the journal knows of it. */
import type { Door } from '../../config/types.js';
import {
  advanceGrant,
  type GrantEvent,
  type GrantPhase,
  type GrantState,
  isFinal,
  type SinkState,
} from '../../machines/grant.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import type { Clock } from '../clock.js';
import { reasonOf } from '../errors.js';
import type { EventOf } from '../journal/events.js';
import type { Log } from '../log/types.js';
import type { Ledger } from './ledger.js';

/** Told of each event of a grant as it happens, with the state it led to; must not throw. */
export type ObserveGrant = (event: GrantEvent, state: GrantState, door: Door) => void;

export interface RecordContext {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  readonly observe?: ObserveGrant;
}

/** An Opening on its way into the journal. */
export interface SentOpening {
  readonly opening: EventOf<'Opening'>;
  readonly durable: Promise<unknown>;
  /** Monotonic ms of its provisional deadline (G10); null: it has none. */
  readonly deadlineMs: number | null;
}

export class GrantRecord {
  readonly #with: RecordContext;
  readonly #door: Door;
  #state: GrantState;
  #unwritten = 0;

  constructor(state: GrantState, door: Door, context: RecordContext) {
    this.#state = state;
    this.#door = door;
    this.#with = context;
  }

  get state(): GrantState {
    return this.#state;
  }

  get phase(): GrantPhase {
    return this.#state.phase;
  }

  get isFinal(): boolean {
    return isFinal(this.#state);
  }

  /** Something was done on it that the journal could not be told before, and still does not know. */
  get isUnjournalled(): boolean {
    return this.#unwritten > 0;
  }

  /** What is known of a sink; undefined: it has not reported. */
  sink(name: string): SinkState | undefined {
    return this.#state.context.sinks[name];
  }

  /**
   * It has happened; the journal learns of it as soon as it can. Nothing follows an end but what
   * became of a sink that had not reported by then: with nothing to take back, a grant ends as soon
   * as one has.
   */
  note(event: GrantEvent): void {
    if (this.isFinal && !this.#isFirstReport(event)) return;
    const timed = withTime(event, this.#with.clock);
    this.apply(timed);
    void this.#with.ledger.note(timed);
  }

  /** Sinks whose outcome a crash left unknown count as failed. */
  settleUnknown(sinks: readonly Sink[], reason: string): void {
    const { id: grant, provisionalMs } = this.#state.context;
    for (const { name, close } of sinks) {
      if (this.sink(name) !== undefined) continue;
      const until = close === undefined ? null : provisionalMs;
      this.note({ type: 'OpenFailed', grant, sink: name, until, reason });
    }
  }

  /** The grant as a sink sees it, with the time left until that deadline (monotonic ms). */
  grantUntil(deadlineMs: number | null): SinkGrant {
    const { clock } = this.#with;
    const { id, door, source, host } = this.#state.context;
    if (deadlineMs === null) return { id, door, source, host, untilMs: null, leftMs: null };
    const leftMs = deadlineMs - clock.now();
    return { id, door, source, host, untilMs: Math.round(clock.wall() + leftMs), leftMs };
  }

  /** It is durable already. */
  apply(event: GrantEvent): void {
    this.#state = advanceGrant(this.#state, event);
    this.#with.observe?.(event, this.#state, this.#door);
  }

  /**
   * Makes it durable first. Rejects with POSTERN_E_JOURNAL, and it did not happen then; unless it
   * may happen without (`orUnjournalled`). `lost`: why the journal is known to be out of reach.
   */
  async must(event: GrantEvent, orUnjournalled: boolean, lost?: string): Promise<void> {
    if (lost !== undefined && orUnjournalled) {
      this.noteUnjournalled(event, lost);
      return;
    }
    try {
      await this.#with.ledger.must(event);
    } catch (error) {
      if (!orUnjournalled) throw error;
      this.noteUnjournalled(event, reasonOf(error));
      return;
    }
    this.apply(event);
  }

  /** It happens though the journal is out of reach (T14); that is said, and made good later. */
  noteUnjournalled(event: GrantEvent, reason: string): void {
    const { ledger, log } = this.#with;
    const { id: grant, door, source } = this.#state.context;
    const names = { grant, door, source, event: event.type };
    log.warn({ ...names, reason }, 'done without the journal, which is out of reach');
    this.apply(event);
    this.#unwritten += 1;
    void ledger.note(event).then(() => {
      this.#unwritten -= 1;
      log.info(names, 'the journal knows of it now');
    });
  }

  /** The Opening of a grant whose provisional deadline is so many milliseconds away. */
  opening(provisionalMs: number | null): Omit<SentOpening, 'durable'> {
    const { clock } = this.#with;
    const { id: grant, door, source, configuration } = this.#state.context;
    const until = provisionalMs === null ? null : Math.round(clock.wall() + provisionalMs);
    return {
      opening: { type: 'Opening', grant, door, source, configuration, until },
      deadlineMs: provisionalMs === null ? null : clock.now() + provisionalMs,
    };
  }

  /** Says that nothing ran and nothing will, since it could not be made durable. */
  refuse(reason: string): void {
    const { id: grant, door, source } = this.#state.context;
    this.#with.log.error({ grant, door, source, reason }, 'not opened: it could not be journalled');
    this.note({ type: 'Abandoned', grant, reason: 'its opening could not be made durable' });
  }

  /** Sends it; nothing may be done on it before it is durable. */
  sendOpening(provisionalMs: number | null): SentOpening {
    const { ledger } = this.#with;
    const prepared = this.opening(provisionalMs);
    const durable = ledger.send(prepared.opening)?.durable ?? ledger.must(prepared.opening);
    durable.catch(() => {}); // Whoever opens hears of it.
    return { ...prepared, durable };
  }

  #isFirstReport(event: GrantEvent): boolean {
    const isReport = event.type === 'Opened' || event.type === 'OpenFailed';
    return isReport && this.sink(event.sink) === undefined;
  }
}

/** What sinks did and did not do is told to others, with the time it happened (not: was written). */
function withTime(event: GrantEvent, clock: Clock): GrantEvent {
  switch (event.type) {
    case 'Opened':
    case 'OpenFailed':
    case 'Closed':
    case 'CloseFailed':
      return { ...event, happenedAtMs: Math.floor(clock.wall()) };
    default:
      return event;
  }
}
