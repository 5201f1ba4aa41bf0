/**
 * The one who decides about one grant. Job, reconciler, re-knock and shutdown all ask here, one
 * after the other, so that they never collide (DESIGN 6).
 */
import type { Door } from '../../config/types.js';
import {
  advanceGrant,
  type GrantEvent,
  type GrantPhase,
  type GrantState,
  isFinal,
} from '../../machines/grant.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import { reasonOf } from '../errors.js';
import type { EventOf } from '../journal/events.js';
import { type ActContext, closeSink, openSink } from './acts.js';
import type { Ledger } from './ledger.js';

export type CloseCause = EventOf<'Closing'>['cause'];

export type CloseResult =
  | { readonly kind: 'closed' | 'failed' | 'gone' }
  /** Its time has not come: so many milliseconds are left. */
  | { readonly kind: 'early'; readonly leftMs: number }
  /** An attempt failed; the next one is due in so many milliseconds (G5). */
  | { readonly kind: 'again'; readonly leftMs: number };

export interface ArbiterContext extends ActContext {
  readonly ledger: Ledger;
  /** Milliseconds to wait after the n-th failed attempt to close. */
  readonly closeBackoffMs: (attempt: number) => number;
  /** Asks for a close job at the arbiter's deadline. */
  readonly scheduleClose: (arbiter: Arbiter) => void;
}

export interface ArbiterGrant {
  readonly state: GrantState;
  readonly door: Door;
  readonly sinks: readonly Sink[];
  /** Grants of one key are never live at once (DESIGN 6, G9). Undefined: it stands alone. */
  readonly key: string | undefined;
  /** Monotonic ms; known for a grant taken over from the journal. */
  readonly deadlineMs?: number;
  /** It waits for another grant to close, until `release`. */
  readonly held?: boolean;
  /** Resolves once its Completed event is durable; nothing is opened before. */
  readonly completed?: Promise<void>;
}

/** An Opening on its way into the journal. */
interface Prepared {
  readonly opening: EventOf<'Opening'>;
  readonly durable: Promise<unknown>;
  /** Monotonic ms of its provisional deadline; null: it has none. */
  readonly deadlineMs: number | null;
}

export class Arbiter {
  readonly id: string;
  readonly door: Door;
  readonly key: string | undefined;
  /** Resolves when nothing is left to do: closed, abandoned, or given up. */
  readonly finished: Promise<void>;
  readonly #sinks: readonly Sink[];
  readonly #with: ArbiterContext;
  readonly #opening = new AbortController();
  readonly #completed: Promise<void>;
  #prepared: Prepared | undefined;
  #finish = () => {};
  #state: GrantState;
  #deadlineMs: number | null;
  #begunMs: number;
  #round = 0;
  #held: boolean;
  #claimed = false;
  #opened: Promise<void> | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(grant: ArbiterGrant, context: ArbiterContext) {
    this.id = grant.state.context.id;
    this.door = grant.door;
    this.key = grant.key;
    this.#sinks = grant.sinks;
    this.#with = context;
    this.#state = grant.state;
    this.#deadlineMs = grant.deadlineMs ?? null;
    this.#begunMs = context.clock.now();
    this.#held = grant.held ?? false;
    this.#completed = grant.completed ?? Promise.resolve();
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get state(): GrantState {
    return this.#state;
  }

  get phase(): GrantPhase {
    return this.#state.phase;
  }

  /** Monotonic ms when it is to be closed, or closing is to be tried again; null: never. */
  get deadlineMs(): number | null {
    return this.#deadlineMs;
  }

  /** Grows with every new deadline, so that each gets a job of its own. */
  get round(): number {
    return this.#round;
  }

  /** Monotonic ms since when it has been waiting to be opened; undefined: it is not. */
  get waitingSinceMs(): number | undefined {
    const waits = this.phase === 'completed' && !this.#claimed && !this.#held;
    return waits ? this.#begunMs : undefined;
  }

  /** Whether somebody is acting on it right now. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Whether there is anything to take back. */
  get isClosable(): boolean {
    return this.#sinks.some((sink) => sink.close !== undefined);
  }

  /** The grant it waited for is closed: its time to be opened begins now. */
  release(): void {
    this.#held = false;
    this.#begunMs = this.#with.clock.now();
  }

  /** Its job came before its time (the wall clock was set): asks for another one. */
  remind(): void {
    if (this.#deadlineMs !== null) this.#setDeadline(this.#deadlineMs);
  }

  /**
   * Journals Opening and starts the sinks; resolves when they have started, not when they are
   * done. Only the first call does anything: a start command runs at most once (DESIGN 5).
   */
  async open(): Promise<'started' | 'stale' | 'refused'> {
    if (this.waitingSinceMs === undefined) return 'stale';
    this.#claimed = true;
    return this.#serially(async () => {
      const { opening, durable, deadlineMs } = this.#prepared ?? this.#sendOpening();
      try {
        await Promise.all([this.#completed, durable]);
      } catch (error) {
        const reason = reasonOf(error);
        this.#with.log.error({ ...this.#names, reason }, 'not opened: it could not be journalled');
        this.#abandon('its opening could not be made durable');
        return 'refused';
      }
      this.#apply(opening);
      this.#deadlineMs = deadlineMs;
      this.#opened = this.#openSinks();
      return 'started';
    });
  }

  /**
   * Sends Opening ahead of the job, so that the journal's disk and the queue are waited for at the
   * same time. A crash in between is settled as any opening of unknown outcome is: by closing.
   */
  prepare(): void {
    this.#prepared ??= this.#sendOpening();
  }

  #sendOpening(): Prepared {
    const { clock, ledger } = this.#with;
    const leastMs = this.door.commandTimeoutMs + this.door.cmdTimeoutMs;
    const until = this.isClosable ? Math.round(clock.wall() + leastMs) : null;
    const { configuration } = this.#state.context;
    const opening = { type: 'Opening', ...this.#names, configuration, until } as const;
    const durable = ledger.send(opening)?.durable ?? ledger.must(opening);
    durable.catch(() => {}); // `open` hears of it.
    return { opening, durable, deadlineMs: until === null ? null : clock.now() + leastMs };
  }

  /** Nothing ran and nothing will. */
  abandon(reason: string): void {
    if (this.phase !== 'completed' || this.#claimed) return;
    this.#claimed = true;
    this.#abandon(reason);
  }

  /** What a crash left unknown about its sinks counts as failed: it will be closed (DESIGN 5). */
  settleUnknown(reason: string): void {
    for (const { name, close } of this.#sinks) {
      if (name in this.#state.context.sinks) continue;
      const until = close === undefined ? null : this.#state.context.provisionalMs;
      this.#note({ type: 'OpenFailed', grant: this.id, sink: name, until, reason });
    }
    if (isFinal(this.#state)) this.#finish();
  }

  /** A door without commands: open by word alone. */
  openWithoutSinks(): void {
    this.#claimed = true;
    this.#note({ type: 'Opened', grant: this.id, sink: 'none', until: null });
    this.#settle();
  }

  /**
   * A knock while it is live moves the deadline (G2). False when it is too late for that. Rejects
   * with POSTERN_E_JOURNAL, the deadline unmoved.
   */
  async extend(source: string): Promise<boolean> {
    // The time counts from the end of the start command (G1), which is later than this knock.
    if (this.phase === 'completed' || this.phase === 'opening') return true;
    const { clock, ledger } = this.#with;
    const deadlineMs = clock.now() + this.door.cmdTimeoutMs;
    const until = Math.round(clock.wall() + this.door.cmdTimeoutMs);
    return this.#serially(async () => {
      if (this.phase !== 'open') return false;
      const extended: GrantEvent = { type: 'Extended', grant: this.id, source, until };
      await ledger.must(extended);
      this.#apply(extended);
      this.#setDeadline(Math.max(this.#deadlineMs ?? deadlineMs, deadlineMs));
      return true;
    });
  }

  /**
   * Closes what is due, without waiting for Redis: the journal learns of it when it can. For
   * `deadline` and `reconciler` only when its time has come; else at once, an opening is broken off.
   */
  close(cause: CloseCause): Promise<CloseResult> {
    return this.#serially(async () => {
      const leftMs = this.#leftMs(cause);
      if (leftMs > 0) return { kind: 'early', leftMs };
      if (this.phase === 'completed') this.abandon(`closed before it was opened: ${cause}`);
      if (this.#opened !== undefined) {
        this.#opening.abort(new Error(`closed while it was opening: ${cause}`));
        await this.#opened;
      }
      if (isFinal(this.#state)) return { kind: 'gone' };
      if (this.phase === 'failed' && cause !== 'recovery') return { kind: 'gone' };
      return this.#closeSinks(cause);
    });
  }

  /**
   * This process ends: a start command without a stop counts as open, everything else is left as
   * it is. Resolves when nobody acts on the grant any more.
   */
  async letGo(): Promise<void> {
    if (!this.isClosable) this.#opening.abort(new Error('postern ends'));
    await this.#opened;
    await this.#tail;
  }

  #leftMs(cause: CloseCause): number {
    if (cause !== 'deadline' && cause !== 'reconciler') return 0;
    if (this.phase === 'completed') return Number.POSITIVE_INFINITY;
    return (this.#deadlineMs ?? Number.POSITIVE_INFINITY) - this.#with.clock.now();
  }

  get #sinkGrant(): SinkGrant {
    const { id, door, source, host, provisionalMs } = this.#state.context;
    const leftMs = this.#deadlineMs === null ? null : this.#deadlineMs - this.#with.clock.now();
    return { id, door, source, host, untilMs: provisionalMs, leftMs };
  }

  async #openSinks(): Promise<void> {
    const grant = this.#sinkGrant;
    const { signal } = this.#opening;
    await Promise.all(
      this.#sinks.map(async (sink) => {
        this.#note(await openSink(sink, grant, this.door, signal, this.#with));
      }),
    );
    this.#opened = undefined;
    if (this.isClosable) this.#setDeadline(this.#with.clock.now() + this.door.cmdTimeoutMs);
    this.#settle();
  }

  async #closeSinks(cause: CloseCause): Promise<CloseResult> {
    if (this.phase !== 'closing') this.#note({ type: 'Closing', grant: this.id, cause });
    await Promise.all(
      this.#sinks.map(async (sink) => {
        const state = this.#state.context.sinks[sink.name];
        if (state?.phase !== 'open') return;
        const attempt = state.attempts + 1;
        this.#note(await closeSink(sink, this.#sinkGrant, this.door, attempt, this.#with));
      }),
    );
    this.#settle();
    if (this.phase === 'failed') return { kind: 'failed' };
    if (isFinal(this.#state)) return { kind: 'closed' };
    const attempts = Object.values(this.#state.context.sinks).map((sink) => sink.attempts);
    const leftMs = this.#with.closeBackoffMs(Math.max(...attempts));
    this.#setDeadline(this.#with.clock.now() + leftMs);
    return { kind: 'again', leftMs };
  }

  get #names() {
    const { id: grant, door, source } = this.#state.context;
    return { grant, door, source };
  }

  #setDeadline(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs;
    this.#round += 1;
    this.#with.scheduleClose(this);
  }

  #abandon(reason: string): void {
    this.#note({ type: 'Abandoned', grant: this.id, reason });
    this.#settle();
  }

  #note(event: GrantEvent): void {
    this.#apply(event);
    this.#with.ledger.note(event);
  }

  #apply(event: GrantEvent): void {
    this.#state = advanceGrant(this.#state, event);
  }

  #settle(): void {
    if (isFinal(this.#state) || this.phase === 'failed') this.#finish();
  }

  async #serially<T>(act: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const turn = this.#tail.then(act);
    this.#tail = turn.catch(() => {}); // Whoever asked hears of it.
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }
}
