/**
 * Forwards the events of a host's own journal to the cluster journal: in order, none lost, none
 * twice. The shared Redis keeps the id of the last one beside them and moves it in the same script
 * that appends, so after any lost answer, outage or failover it is asked where to go on.
 */
import { type Clock, systemClock } from '../clock.js';
import { reasonOf } from '../errors.js';
import type { JournalEvent } from '../journal/events.js';
import { compareIds } from '../journal/ids.js';
import type { Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';
import { Backlog } from './backlog.js';
import { isStreamId, predecessor } from './stream-ids.js';
import type { Sealed, SharedRedis } from './types.js';

const BATCH = 100;
/** Under load so much time lies between the beginnings of two small batches. */
const GATHER_MS = 20;
const BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5000;
/** A shared Redis that is not there by then: count meanwhile what it will lack. */
const COUNT_AFTER_MS = 1000;

export interface ForwarderOptions {
  readonly shared: Pick<SharedRedis, 'isReady' | 'onReady' | 'forward' | 'head'>;
  readonly journal: Pick<Journal, 'read' | 'follow'>;
  /** This host's name: events of others are not forwarded. */
  readonly host: string;
  /** The shared Redis holds less of what was forwarded than it did. */
  readonly onLoss?: () => void;
  /** An event that it throws at is left out, and said so. */
  readonly seal: (event: JournalEvent) => Sealed;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface Forwarder {
  /** Begins, or goes on after `stop`. */
  start(): void;
  /** Resolves once nothing is under way any more: within a second. */
  stop(): Promise<void>;
  /**
   * Events that the cluster journal lacks. Before the shared Redis was reached for the first time:
   * all events of the journal. It stands still while stopped.
   */
  readonly behind: number;
  /**
   * Id of the last event that is known to be in the cluster journal: what comes after it must not
   * be trimmed from the host's own. Undefined: none is known to be.
   */
  readonly position: string | undefined;
  /** Resolves when every event of the journal was forwarded, or when stopped. */
  isIdle(): Promise<void>;
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  return new EventForwarder(options);
}

class EventForwarder implements Forwarder {
  readonly #options: ForwarderOptions;
  readonly #clock: Clock;
  readonly #backlog: Backlog;
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  /** Grows with each connection. */
  #connection = 0;
  /** The connection on which the head was learned and nothing has failed since. */
  #agreedOn: number | undefined;
  /** What the shared Redis gave as head, whatever it is. */
  #head: string | undefined;
  #position: string | undefined;
  /** The last event that was ever sent, or that a head showed to be there: no head is beyond it. */
  #sentTo: string | undefined;
  #isUnderway = false;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  /** In a row. */
  #failures = 0;
  /** Events that were forwarded since a failure that is not made good yet. */
  #late: number | undefined;
  #saidForeign = false;
  #wakeByEvent = () => {};
  #wakeByConnection = () => {};

  constructor(options: ForwarderOptions) {
    const { journal, host, log } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backlog = new Backlog({ journal, host, log, onEvent: () => this.#wakeByEvent() });
  }

  get behind(): number {
    return this.#backlog.count;
  }

  get position(): string | undefined {
    return this.#position;
  }

  start(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    this.#running = { stop, ended: this.#run(stop.signal) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    running?.stop.abort();
    await running?.ended;
    if (this.#running === running) this.#running = undefined;
  }

  async isIdle(): Promise<void> {
    const { journal, host } = this.#options;
    for (let signal = this.#signal; signal && !signal.aborted; signal = this.#signal) {
      if (this.#agreedOn === this.#connection && !this.#isUnderway && this.behind === 0) {
        const { after } = this.#backlog;
        let isLast = true;
        for await (const event of journal.read(after === undefined ? {} : { after })) {
          isLast = event.host !== host;
          if (!isLast) break;
        }
        if (isLast) return;
      }
      await this.#wait(signal, { ms: 5 });
    }
  }

  get #signal(): AbortSignal | undefined {
    return this.#running?.stop.signal;
  }

  /** Never rejects. */
  async #run(signal: AbortSignal): Promise<void> {
    const stopListening = this.#options.shared.onReady(() => {
      this.#connection += 1;
      this.#wakeByConnection();
    });
    while (!signal.aborted) {
      try {
        await this.#step(signal);
      } catch (error) {
        await this.#failed(error, signal);
      }
    }
    stopListening();
    this.#agreedOn = undefined;
    await this.#backlog.stop();
  }

  async #step(signal: AbortSignal): Promise<void> {
    if (!this.#options.shared.isReady) return await this.#awaitConnection(signal);
    if (this.#agreedOn !== this.#connection) return await this.#agree();
    if (!this.#backlog.isStarted) this.#backlog.moveTo(this.#position);
    if (this.#backlog.count === 0) {
      this.#caughtUp();
      return await this.#wait(signal, { byEvent: true, byConnection: true });
    }
    const waitedMs = this.#clock.now() - this.#sentAtMs;
    if (this.#backlog.count < BATCH && waitedMs < GATHER_MS) {
      await this.#wait(signal, { ms: GATHER_MS - waitedMs, byConnection: true });
      return;
    }
    await this.#forward(await this.#backlog.first(BATCH));
  }

  async #awaitConnection(signal: AbortSignal): Promise<void> {
    if (this.#backlog.isStarted) return await this.#wait(signal, { byConnection: true });
    await this.#wait(signal, { byConnection: true, ms: COUNT_AFTER_MS });
    if (!this.#options.shared.isReady) this.#backlog.moveTo(this.#position);
  }

  /** Asks where to go on. */
  async #agree(): Promise<void> {
    const connection = this.#connection;
    await this.#adopt(await this.#options.shared.head());
    this.#agreedOn = connection;
  }

  async #adopt(head: string | undefined): Promise<void> {
    if (this.#isLess(head)) this.#options.onLoss?.();
    if (head === undefined || (await this.#mayBeOurs(head))) {
      this.#position = head;
      if (head !== undefined) this.#sent(head);
    } else if (!this.#saidForeign) {
      this.#saidForeign = true;
      this.#options.log.error(
        {},
        'the shared Redis names a place that the journal of this host does not reach: somebody ' +
          'else wrote it; events go on from the last that was confirmed',
      );
    }
    this.#head = head;
    this.#backlog.moveTo(this.#position);
  }

  #isLess(head: string | undefined): boolean {
    const known = this.#position;
    if (known === undefined) return false;
    return head === undefined || (isStreamId(head) && compareIds(head, known) < 0);
  }

  /** Not beyond what was sent; before anything was: not beyond everything in the journal. */
  async #mayBeOurs(head: string): Promise<boolean> {
    if (!isStreamId(head)) return false;
    if (this.#sentTo !== undefined) return compareIds(head, this.#sentTo) <= 0;
    const before = predecessor(head);
    const events = this.#options.journal.read(before === undefined ? {} : { after: before });
    for await (const _ of events) return true;
    return false;
  }

  async #forward(events: readonly JournalEvent[]): Promise<void> {
    const reports = events.flatMap((event) => this.#sealed(event));
    const last = reports.at(-1)?.id;
    if (last !== undefined) {
      this.#sent(last);
      this.#sentAtMs = this.#clock.now();
      this.#isUnderway = true;
      try {
        this.#head = await this.#options.shared.forward(this.#head, reports);
      } finally {
        this.#isUnderway = false;
      }
      if (this.#head !== last) throw new Error('it holds another place than it said');
      this.#position = last;
    }
    this.#backlog.drop(events.length);
    this.#failures = 0;
    if (this.#late !== undefined) this.#late += reports.length;
  }

  /** None for an event that cannot be sealed: it must not hold back all that follow. */
  #sealed(event: JournalEvent): { readonly id: string; readonly sealed: Sealed }[] {
    try {
      return [{ id: event.id, sealed: this.#options.seal(event) }];
    } catch (error) {
      const fields = { event: event.id, type: event.type, reason: reasonOf(error) };
      this.#options.log.error(fields, 'an event cannot be told to the cluster');
      return [];
    }
  }

  #sent(id: string): void {
    if (this.#sentTo === undefined || compareIds(id, this.#sentTo) > 0) this.#sentTo = id;
  }

  /** What was sent may have arrived or not, so the head is asked again, after a pause. */
  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    this.#agreedOn = undefined;
    this.#failures += 1;
    if (this.#late === undefined) {
      this.#late = 0;
      const fields = { reason: reasonOf(error), events: this.behind };
      this.#options.log.warn(fields, 'events wait to be told to the cluster: tried again');
    }
    const ms = Math.min(BACKOFF_MS * 2 ** Math.min(this.#failures - 1, 10), LONGEST_BACKOFF_MS);
    await this.#wait(signal, { ms, byConnection: true });
  }

  #caughtUp(): void {
    if (this.#late === undefined) return;
    this.#options.log.info(
      { events: this.#late },
      'the cluster has been told the events that waited',
    );
    this.#late = undefined;
  }

  /** Until the time is over or the signal aborts, and as asked: an event, or a new connection. */
  async #wait(
    signal: AbortSignal,
    { ms, byEvent, byConnection }: { ms?: number; byEvent?: true; byConnection?: true },
  ): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(wake, ms);
      signal.addEventListener('abort', wake, { once: true });
      if (byEvent) this.#wakeByEvent = wake;
      if (byConnection) this.#wakeByConnection = wake;
    });
  }
}
