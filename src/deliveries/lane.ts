/**
 * What is owed to one sink, and its attempts: a few at a time, so that a sink that is slow keeps
 * nobody waiting but itself.
 */
import type { Sink } from '../../sinks/types.js';
import type { Clock } from '../clock.js';
import { reasonOf } from '../errors.js';
import type { EventOf } from '../journal/events.js';
import type { Log } from '../log/types.js';
import { attempt, callNow, collectMsOf, policyOf } from './attempt.js';
import { keyOf, takes } from './owed.js';
import type { Delivery, DeliveryName, DeliveryStatus } from './types.js';

/** Attempts of one sink that are under way at once. */
const AT_ONCE = 8;
/** Deliveries that one sink is owed; with more, the oldest is given up. */
const MOST_OWED = 10_000;
/** BullMQ counts in whole milliseconds: a reminder may be early by this. */
const ROUNDING_MS = 50;
/** What is overdue by this has no job, or one that counts by a clock that was set: it is begun without. */
const OVERDUE_MS = 1000;
/** Characters of a reason that the journal keeps. */
const MOST_REASON = 500;

/** What earlier attempts left. Times are monotonic milliseconds. */
export interface Progress {
  /** Attempts that failed. */
  readonly attempts: number;
  /** When the first of them was; undefined: there was none. */
  readonly firstMs: number | undefined;
  readonly dueMs: number;
  readonly reason: string | undefined;
}

export interface LaneContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly sinksOf: (door: Delivery['door']) => readonly Sink[];
  /** Asks for a job in so many milliseconds. */
  readonly remind: (name: DeliveryName, attempt: number, delayMs: number) => void;
  /** Has the journal learn it as soon as it can. */
  readonly note: (event: EventOf<'Delivered' | 'DeliveryFailed'>) => void;
  readonly attemptMs: number;
}

interface Owed extends Progress {
  readonly key: string;
  readonly delivery: Delivery;
  isUnderWay: boolean;
  /** What the latest attempt failed at. */
  failedAt?: Sink;
  attempts: number;
  firstMs: number | undefined;
  dueMs: number;
  reason: string | undefined;
}

export class Lane {
  readonly #sink: string;
  readonly #with: LaneContext;
  /** In the order they became owed. */
  readonly #owed = new Map<string, Owed>();
  /** Due, in the order they came to be. */
  readonly #ready = new Set<Owed>();
  /** By door: when the calls that are being collected are made. */
  readonly #collecting = new Map<string, number>();
  readonly #attempts = new Map<Promise<void>, AbortController>();
  #isStopped = false;

  constructor(sink: string, context: LaneContext) {
    this.#sink = sink;
    this.#with = context;
  }

  get deliveries(): readonly Delivery[] {
    return [...this.#owed.values()].map(({ delivery }) => delivery);
  }

  /** It is to be told; a second time it does nothing. */
  owe(delivery: Delivery, progress?: Progress): void {
    const key = keyOf(delivery.name);
    if (this.#isStopped || this.#owed.has(key)) return;
    const { now } = this.#with.clock;
    const owed: Owed = {
      ...{ key, delivery, isUnderWay: false },
      ...(progress ?? {
        ...{ attempts: 0, firstMs: undefined, reason: undefined },
        dueMs: this.#firstDueMs(delivery, now()),
      }),
    };
    this.#owed.set(key, owed);
    this.#remind(owed);
    if (this.#owed.size <= MOST_OWED) return;
    const oldest = [...this.#owed.values()].find(({ isUnderWay }) => !isUnderWay);
    if (oldest) this.#giveUp(oldest, `more than ${MOST_OWED} deliveries are owed to it`);
  }

  /** A job has come: for what is not due, or not owed any more, it means nothing. */
  begin(name: DeliveryName, attemptNumber: number): void {
    const owed = this.#owed.get(keyOf(name));
    if (owed === undefined || owed.attempts + 1 !== attemptNumber) return;
    if (owed.dueMs > this.#with.clock.now() + ROUNDING_MS) return;
    this.#begin([owed]);
  }

  /** Begins what no job has come for, and what failed at a sink that was loaded anew since. */
  tick(): void {
    const sinceMs = this.#with.clock.now() - OVERDUE_MS;
    const isDue = (owed: Owed) => owed.dueMs <= sinceMs || this.#mayBeMended(owed);
    this.#begin([...this.#owed.values()].filter(isDue));
  }

  /** Then it is tried once, and that does not count. */
  #mayBeMended({ failedAt, delivery }: Owed): boolean {
    if (failedAt === undefined) return false;
    const sink = this.#find(delivery.door);
    return sink !== undefined && sink !== failedAt;
  }

  status(): DeliveryStatus | undefined {
    const all = [...this.#owed.values()];
    if (all.length === 0) return undefined;
    const nextMs = Math.min(...all.map(({ dueMs, isUnderWay }) => (isUnderWay ? 0 : dueMs)));
    const leftMs = Math.max(0, nextMs - this.#with.clock.now());
    const reason = all.findLast((owed) => owed.reason !== undefined)?.reason;
    return {
      sink: this.#sink,
      owed: all.length,
      nextSeconds: Math.round(leftMs) / 1000,
      ...(reason !== undefined && { reason }),
    };
  }

  /** Nothing is begun any more. */
  stop(): void {
    this.#isStopped = true;
    this.#ready.clear();
  }

  breakOff(): void {
    for (const breaking of this.#attempts.values()) breaking.abort(new Error('postern ends'));
  }

  async ended(): Promise<void> {
    await Promise.all(this.#attempts.keys());
  }

  /** At once; where calls are collected, with the first of its door that waits. */
  #firstDueMs({ door, name }: Delivery, nowMs: number): number {
    const sink = this.#find(door);
    const collectMs = sink === undefined || !takes(sink, name.event) ? 0 : collectMsOf(sink);
    if (collectMs === 0) return nowMs;
    const dueMs = this.#collecting.get(door.name) ?? nowMs + collectMs;
    this.#collecting.set(door.name, dueMs);
    return dueMs;
  }

  #find(door: Delivery['door']): Sink | undefined {
    return this.#with.sinksOf(door).find(({ name }) => name === this.#sink);
  }

  #remind({ delivery, attempts, dueMs }: Owed): void {
    this.#with.remind(delivery.name, attempts + 1, dueMs - this.#with.clock.now());
  }

  #begin(due: readonly Owed[]): void {
    for (const owed of due) if (!owed.isUnderWay) this.#ready.add(owed);
    for (const owed of this.#ready) {
      if (this.#isStopped || this.#attempts.size >= AT_ONCE) return;
      if (!this.#isOpening(owed)) this.#start(owed);
    }
  }

  /** That it has closed is not said while the sink is being told that it is open. */
  #isOpening({ delivery: { name } }: Owed): boolean {
    if (name.event !== 'close') return false;
    return this.#owed.get(keyOf({ ...name, event: 'open' }))?.isUnderWay === true;
  }

  #start(owed: Owed): void {
    const sink = this.#find(owed.delivery.door);
    if (sink === undefined || !takes(sink, owed.delivery.name.event)) {
      this.#giveUp(owed, 'the configuration has no sink any more that takes it');
      return;
    }
    const batch = collectMsOf(sink) > 0 ? this.#together(owed, sink) : [owed];
    for (const each of batch) {
      each.isUnderWay = true;
      this.#ready.delete(each);
    }
    const breaking = new AbortController();
    const attempting = this.#attempt(sink, batch, breaking).then(() => {
      this.#attempts.delete(attempting);
      this.#begin([]);
    });
    this.#attempts.set(attempting, breaking);
  }

  /** With all else that is owed for its door, due or not. */
  #together(first: Owed, sink: Sink): readonly Owed[] {
    const { name } = first.delivery.door;
    this.#collecting.delete(name);
    return [...this.#owed.values()].filter(({ delivery: { door, name: of }, isUnderWay }) => {
      const isAlike = door.name === name && !isUnderWay && takes(sink, of.event);
      // A door of an earlier configuration may have another sink of that name.
      return isAlike && (door === first.delivery.door || this.#find(door) === sink);
    });
  }

  async #attempt(sink: Sink, batch: readonly Owed[], breaking: AbortController): Promise<void> {
    const { clock, attemptMs } = this.#with;
    const begunMs = clock.now();
    const calls = batch.map(({ delivery }) => callNow(delivery.call, clock));
    try {
      await attempt(sink, calls, breaking, attemptMs);
    } catch (error) {
      for (const owed of batch) [owed.isUnderWay, owed.failedAt] = [false, sink];
      if (!this.#isStopped) this.#failed(sink, batch, error, begunMs);
      return;
    }
    for (const owed of batch) this.#delivered(owed);
  }

  #delivered(owed: Owed): void {
    const { delivery, attempts } = owed;
    this.#drop(owed);
    this.#with.note({ type: 'Delivered', ...fieldsOf(delivery), attempt: attempts + 1 });
    if (attempts === 0) return;
    this.#with.log.info({ ...this.#says(owed), attempt: attempts + 1 }, 'delivered after all');
  }

  /**
   * For those that went along before their time the attempt does not count; but the next one is made
   * for all, at the latest of their times: a sink is not tried more often the more it is owed.
   */
  #failed(sink: Sink, batch: readonly Owed[], error: unknown, begunMs: number): void {
    const reason = bounded(reasonOf(error));
    const counted = batch.filter(({ dueMs }) => dueMs <= begunMs + ROUNDING_MS);
    const goOn = counted.filter((owed) => this.#count(owed, sink, error, begunMs));
    for (const owed of counted) if (!goOn.includes(owed)) this.#end(owed, owed.attempts, reason);
    const rest = batch.filter((owed) => this.#owed.has(owed.key));
    const dueMs = Math.max(...rest.map((owed) => owed.dueMs));
    for (const owed of rest) [owed.dueMs, owed.reason] = [dueMs, reason];
    for (const owed of goOn) this.#tryAgain(owed, reason);
  }

  /** Whether it is tried again, and when. */
  #count(owed: Owed, sink: Sink, error: unknown, begunMs: number): boolean {
    const nowMs = this.#with.clock.now();
    owed.attempts += 1;
    owed.firstMs ??= begunMs;
    const waitMs = policyOf(sink).retryAfterMs(owed.attempts, error, nowMs - owed.firstMs);
    owed.dueMs = nowMs + (waitMs ?? 0);
    return waitMs !== undefined;
  }

  #tryAgain(owed: Owed, reason: string): void {
    const { clock, log } = this.#with;
    const { delivery, attempts, dueMs } = owed;
    const waitMs = dueMs - clock.now();
    owed.reason = reason;
    this.#with.note({
      ...{ type: 'DeliveryFailed', ...fieldsOf(delivery), attempt: attempts, reason },
      final: false,
      nextAtMs: Math.round(clock.wall() + waitMs),
    });
    const seconds = Math.round(waitMs) / 1000;
    const fields = { ...this.#says(owed), attempt: attempts, seconds, reason };
    if (attempts === 1) log.warn(fields, 'not delivered; it is tried again');
    else log.debug(fields, 'not delivered again');
    this.#remind(owed);
  }

  #giveUp(owed: Owed, reason: string): void {
    this.#end(owed, owed.attempts + 1, reason);
  }

  #end(owed: Owed, attemptNumber: number, reason: string): void {
    this.#drop(owed);
    const about = { ...fieldsOf(owed.delivery), attempt: attemptNumber, reason };
    this.#with.note({ type: 'DeliveryFailed', ...about, final: true });
    const fields = { ...this.#says(owed), attempt: attemptNumber, reason };
    this.#with.log.error(fields, 'not delivered, and given up');
  }

  #drop(owed: Owed): void {
    this.#owed.delete(owed.key);
    this.#ready.delete(owed);
  }

  #says({ delivery: { name, call } }: Owed) {
    const { grant, sink, event } = name;
    return { grant, door: call.grant.door, source: call.grant.source, sink, event };
  }
}

function fieldsOf({ name: { grant, sink, event, about } }: Delivery) {
  return { grant, sink, event, ...(about !== undefined && { about }) };
}

function bounded(reason: string): string {
  return reason.length > MOST_REASON ? `${reason.slice(0, MOST_REASON)}…` : reason;
}
