/**
 * The one who decides about one grant. Job, reconciler, re-knock and shutdown all ask here, one
 * after the other, so that they never collide (DESIGN 6). Turns are short: nobody waits in one for
 * a sink to close, so that a stop command that hangs keeps no other sink open.
 */
import type { Door } from '../../config/types.js';
import type { GrantPhase, GrantState } from '../../machines/grant.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import { reasonOf } from '../errors.js';
import { extendSink } from './acts.js';
import type {
  ArbiterContext,
  ArbiterGrant,
  CloseCause,
  CloseResult,
  Extension,
  OpenResult,
} from './arbiter-types.js';
import { SinkClosings } from './closings.js';
import { Milestone } from './milestone.js';
import { OpenTime } from './open-time.js';
import { provisionalMs, type SinkOpening, startOpening } from './opening.js';
import { GrantRecord, type SentOpening } from './record.js';
import { SinkDeadlines } from './sink-deadlines.js';
import { createTurns } from './turns.js';
import { maySkipJournal } from './unjournalled.js';

export class Arbiter {
  readonly id: string;
  readonly door: Door;
  readonly key: string | undefined;
  /** Whether it may be opened, and given more time, while the journal is out of reach (T14). */
  readonly maySkipJournal: boolean;
  readonly #finished = new Milestone();
  /** Resolves when nothing is left to do: closed, abandoned, or given up. */
  readonly finished = this.#finished.reached;
  readonly #over = new Milestone();
  /** Resolves when it is closed or abandoned; one that was given up may yet be revoked. */
  readonly over = this.#over.reached;
  readonly #sinks: readonly Sink[];
  /** Those that have something to take back. */
  readonly #closable: readonly Sink[];
  readonly #with: ArbiterContext;
  readonly #record: GrantRecord;
  readonly #deadlines: SinkDeadlines;
  readonly #completed: Promise<void>;
  readonly #closings: SinkClosings;
  readonly #openTime: OpenTime;
  readonly #turns = createTurns();
  #begunMs: number;
  #isEnding = false;
  #round = 0;
  #held: boolean;
  #claimed: Promise<OpenResult> | undefined;
  #prepared: SentOpening | undefined;
  #opening: SinkOpening | undefined;

  constructor(grant: ArbiterGrant, context: ArbiterContext) {
    this.id = grant.state.context.id;
    this.door = grant.door;
    this.key = grant.key;
    this.#sinks = grant.sinks;
    this.#closable = grant.sinks.filter(({ close }) => close !== undefined);
    this.#with = context;
    this.#record = new GrantRecord(grant.state, grant.door, context);
    this.#deadlines = grant.deadlines ?? new SinkDeadlines();
    this.#closings = new SinkClosings({
      door: grant.door,
      record: this.#record,
      deadlines: this.#deadlines,
      onAttempt: () => {
        this.remind();
        this.#settle();
      },
      context,
    });
    // What the cluster gave is refused without a journal: it must not be given twice.
    const isOrder = grant.state.context.from !== undefined;
    this.maySkipJournal = !isOrder && maySkipJournal(grant.door, grant.sinks);
    this.#openTime = new OpenTime(grant.state, grant.door.cmdTimeoutMs, context.clock);
    this.#begunMs = context.clock.now();
    this.#held = grant.held ?? false;
    this.#completed = grant.completed ?? Promise.resolve();
    this.#completed.catch(() => {}); // `open` hears of it.
  }

  get state(): GrantState {
    return this.#record.state;
  }

  get phase(): GrantPhase {
    return this.#record.phase;
  }

  /** Closed or abandoned. */
  get isOver(): boolean {
    return this.#record.isFinal;
  }

  /** The last knock for it: wall clock ms of the host that was knocked. */
  get knockedAtMs(): number {
    return this.#openTime.knockedAtMs;
  }

  /** There is something to take back, or nothing has run yet. */
  get isRevocable(): boolean {
    return !this.isOver && (this.#closable.length > 0 || this.phase === 'completed');
  }

  /** Monotonic ms when it is to be closed, or closing is to be tried again; null: never. */
  get deadlineMs(): number | null {
    return this.#deadlines.nextMs;
  }

  /** Grows with every new deadline, so that each gets a job of its own. */
  get round(): number {
    return this.#round;
  }

  /** Monotonic ms since when it has been waiting to be opened; undefined: it is not. */
  get waitingSinceMs(): number | undefined {
    const waits = this.phase === 'completed' && this.#claimed === undefined && !this.#held;
    return waits ? this.#begunMs : undefined;
  }

  /** Whether somebody is deciding about it right now. */
  get isBusy(): boolean {
    return this.#turns.isBusy;
  }

  /** Whether the journal does not know yet that it is open (T14). */
  get isUnjournalled(): boolean {
    return this.#record.isUnjournalled;
  }

  /** The grant as a sink is to know it now, to restore its own memory from (T15). */
  get live(): SinkGrant | undefined {
    const isLive = this.phase === 'open' || this.phase === 'opening';
    return isLive ? this.#record.grantUntil(this.deadlineMs) : undefined;
  }

  /** The grant it waited for is closed: its time to be opened begins now. */
  release(): void {
    this.#held = false;
    this.#begunMs = this.#with.clock.now();
  }

  /** Its job came before its time, or will come too late (the wall clock was set): asks anew. */
  remind(): void {
    if (this.deadlineMs !== null) this.#schedule();
  }

  /**
   * Sends Opening ahead of the job, so that the journal's disk and the queue are waited for at the
   * same time. A crash in between is settled as any opening of unknown outcome is: by closing.
   */
  prepare(): void {
    this.#prepared ??= this.#record.sendOpening(this.#provisionalMs);
  }

  /**
   * Journals Opening and starts the sinks; resolves when they have started, not when they are done.
   * Only the first call does anything: a start command runs at most once (DESIGN 5).
   */
  open(): Promise<OpenResult> {
    if (this.#claimed !== undefined) return this.#claimed;
    if (this.waitingSinceMs === undefined) return Promise.resolve('stale');
    if (this.#openTime.isOver) this.abandon('its time was over before it could be opened');
    this.#claimed ??= this.#turns.take(async () => {
      this.prepare();
      const prepared = this.#prepared;
      try {
        await Promise.all([this.#completed, prepared?.durable]);
      } catch (error) {
        if (!this.maySkipJournal) {
          this.#record.refuse(reasonOf(error));
          this.#settle();
          return 'refused';
        }
        this.#openUnjournalled(reasonOf(error));
        return 'started';
      }
      if (prepared !== undefined) this.#record.apply(prepared.opening);
      this.#openSinks(prepared?.deadlineMs ?? null);
      return 'started';
    });
    return this.#claimed;
  }

  /** Starts the sinks though the journal is known to be out of reach; only where it may (T14). */
  openUnjournalled(reason: string): void {
    if (!this.maySkipJournal || this.#claimed !== undefined) return;
    this.#claimed = Promise.resolve('started');
    this.#openUnjournalled(reason);
  }

  /** Nothing ran and nothing will. */
  abandon(reason: string): void {
    if (this.phase !== 'completed' || this.#claimed !== undefined) return;
    this.#claimed = Promise.resolve('refused');
    this.#record.note({ type: 'Abandoned', grant: this.id, reason });
    this.#settle();
  }

  /** What a crash left unknown about its sinks counts as failed: it will be closed (DESIGN 5). */
  settleUnknown(reason: string): void {
    this.#record.settleUnknown(this.#sinks, reason);
    this.#settle();
  }

  /** A door that runs nothing: open by word alone. */
  openWithoutSinks(): void {
    this.#claimed = Promise.resolve('started');
    this.#record.note({ type: 'Opened', grant: this.id, sink: 'none', until: null });
    this.#settle();
  }

  /**
   * A knock while it is live moves the deadline (G2). False when it is too late for that. Rejects
   * with POSTERN_E_JOURNAL, the deadline unmoved.
   */
  async extend(extension: Extension): Promise<boolean> {
    const { source, knockedAtMs, openForMs, mustBeDurable = false, lost } = extension;
    const { clock } = this.#with;
    const deadlineMs = clock.now() + openForMs;
    const until = Math.round(clock.wall() + openForMs);
    if (!this.#isEnding && (this.phase === 'completed' || this.phase === 'opening')) {
      // The time counts from the end of the start command (G1), which is later than this knock.
      this.#openTime.extend(extension);
      return true;
    }
    return this.#turns.take(async () => {
      if (this.phase !== 'open') return false;
      if (!this.#deadlines.areProvisional) {
        const extended = { type: 'Extended', grant: this.id, source, until, knockedAtMs } as const;
        await this.#record.must(extended, this.maySkipJournal && !mustBeDurable, lost);
        this.#moveTo(deadlineMs);
      }
      this.#openTime.extend(extension);
      return true;
    });
  }

  /**
   * Closes what is due, without waiting for Redis: the journal learns of it when it can. For
   * `deadline` and `reconciler` only what is due; else all at once, an opening is broken off.
   */
  async close(cause: CloseCause): Promise<CloseResult> {
    // Whoever knocks from now on gets a grant of its own, after this one.
    if (cause !== 'deadline' && cause !== 'reconciler') this.#isEnding = true;
    const { closing } = await this.#turns.take(() => this.#beginToClose(cause));
    return closing;
  }

  /**
   * This process ends: a start command without a stop counts as open, everything else is left as
   * it is. Resolves when nobody acts on the grant any more.
   */
  async letGo(): Promise<void> {
    this.#opening?.letGo('postern ends');
    await Promise.all([this.#opening?.closable, this.#opening?.kept, this.#turns.idle()]);
    await this.#closings.ended();
  }

  get #provisionalMs(): number | null {
    return provisionalMs(this.#closable, this.door, this.#openTime.ms);
  }

  #moveTo(deadlineMs: number): void {
    this.#deadlines.moveTo(deadlineMs);
    this.#schedule();
    for (const sink of this.#sinks) {
      // Called in this turn, before any close; not waited for, or a close would hang on it.
      if (sink.extend && this.#record.sink(sink.name)?.phase === 'open') {
        void extendSink(sink, this.#record.grantUntil(this.deadlineMs), this.#with);
      }
    }
  }

  #openUnjournalled(reason: string): void {
    const { opening, deadlineMs } = this.#record.opening(this.#provisionalMs);
    const happenedAtMs = Math.round(this.#with.clock.wall());
    this.#record.noteUnjournalled({ ...opening, happenedAtMs }, reason);
    this.#openSinks(deadlineMs);
  }

  #openSinks(provisionalMs: number | null): void {
    this.#deadlines.provide(provisionalMs);
    this.#openTime.begin();
    const opening = startOpening({
      sinks: this.#sinks,
      openForMs: () => this.#openTime.ms,
      provisionalMs,
      grantUntil: (deadlineMs) => this.#record.grantUntil(deadlineMs),
      note: (event) => this.#record.note(event),
      onDeadline: (deadlineMs) => {
        this.#deadlines.settle(this.#closable, deadlineMs);
        this.#schedule();
      },
      context: this.#with,
    });
    this.#opening = opening;
    void opening.kept.then(() => this.#settle());
    void opening.closable.then(() => this.#settle());
  }

  async #beginToClose(cause: CloseCause): Promise<{ closing: Promise<CloseResult> }> {
    const decided = (result: CloseResult) => ({ closing: Promise.resolve(result) });
    const onlyDue = cause === 'deadline' || cause === 'reconciler';
    const leftMs = onlyDue ? this.#leftMs() : 0;
    if (leftMs > 0) return decided({ kind: 'early', leftMs });
    if (this.phase === 'completed') this.abandon(`closed before it was opened: ${cause}`);
    const why = `closed while it was opening: ${cause}`;
    this.#opening?.breakOff(why);
    if (!onlyDue) this.#opening?.letGo(why);
    await Promise.all([this.#opening?.closable, onlyDue ? undefined : this.#opening?.kept]);
    const triesAgain = cause === 'recovery' || cause === 'revoked';
    const isGivenUp = this.phase === 'failed' && !triesAgain;
    if (this.isOver || isGivenUp) return decided({ kind: 'gone' });
    return { closing: this.#closeSinks(cause, onlyDue) };
  }

  #leftMs(): number {
    if (this.phase === 'completed') return Number.POSITIVE_INFINITY;
    return (this.deadlineMs ?? Number.POSITIVE_INFINITY) - this.#with.clock.now();
  }

  async #closeSinks(cause: CloseCause, onlyDue: boolean): Promise<CloseResult> {
    const nowMs = this.#with.clock.now();
    if (this.phase !== 'closing') this.#record.note({ type: 'Closing', grant: this.id, cause });
    for (const sink of this.#closable) {
      if (!onlyDue || this.#deadlines.isDue(sink.name, nowMs)) this.#closings.begin(sink);
    }
    await this.#closings.ended();
    if (this.phase === 'failed') return { kind: 'failed' };
    if (this.isOver) return { kind: 'closed' };
    return { kind: 'again', leftMs: this.#leftMs() };
  }

  #schedule(): void {
    this.#round += 1;
    this.#with.scheduleClose(this);
  }

  #settle(): void {
    if (this.isOver || this.phase === 'failed') this.#finished.reach();
    if (this.isOver) this.#over.reach();
  }
}
