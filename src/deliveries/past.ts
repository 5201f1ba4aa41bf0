/** What earlier runs left owed, by the journal. */
import type { Door } from '../../config/types.js';
import { advanceGrant, type GrantState } from '../../machines/grant.js';
import type { Sink } from '../../sinks/types.js';
import type { Clock } from '../clock.js';
import { begun } from '../jobs/fold.js';
import type { DoorCatalog } from '../jobs/types.js';
import type { EventOf, JournalEvent } from '../journal/events.js';
import type { Progress } from './lane.js';
import { isReport, keyOf, owedFor, type Report } from './owed.js';
import type { Delivery, DeliveryName } from './types.js';

export interface PastContext {
  readonly host: string;
  readonly catalog: DoorCatalog;
  readonly sinksOf: (door: Door) => readonly Sink[];
  readonly clock: Clock;
}

/** What is still owed, or cannot be told any more. */
export interface Past {
  readonly owed: readonly { readonly delivery: Delivery; readonly progress?: Progress }[];
  /** At sinks that are gone. */
  readonly lost: readonly { readonly name: DeliveryName; readonly attempts: number }[];
}

/**
 * A module may have learned only later to be told of failures: those of before are not told. What it
 * was to be told is tried when it happens, so that nothing is lost but by a host that was off so long.
 */
const FAILURES_FOR_MS = 86_400_000;

/** Sinks that tell others are of these kinds; their names say so even when they are gone. */
const TELLS = /^(webhook|email):/;

interface Grant {
  state: GrantState;
  /** Undefined: no configuration that is kept has it. */
  readonly door: Door | undefined;
}

/** What the journal says of one delivery. Events may stand in it in any order, and twice. */
interface Course {
  isOver: boolean;
  last?: JournalEvent & EventOf<'DeliveryFailed'>;
  firstAtMs?: number;
}

/** Reads what is owed out of a journal. */
export async function readPast(
  events: AsyncIterable<JournalEvent>,
  context: PastContext,
): Promise<Past> {
  const past = new Reading(context);
  for await (const event of events) {
    if (event.host === context.host) await past.apply(event);
  }
  return past.result();
}

class Reading {
  readonly #with: PastContext;
  readonly #doors = new Map<string, Door | undefined>();
  readonly #grants = new Map<string, Grant>();
  readonly #owed = new Map<string, Delivery>();
  readonly #lost = new Map<string, DeliveryName>();
  readonly #courses = new Map<string, Course>();

  constructor(context: PastContext) {
    this.#with = context;
  }

  async apply(event: JournalEvent): Promise<void> {
    await this.#begin(event);
    if (event.type === 'Delivered' || event.type === 'DeliveryFailed') {
      this.#follow(event);
      return;
    }
    if (event.type === 'Completed' || !('grant' in event)) return;
    const grant = this.#grants.get(event.grant);
    if (grant === undefined) return;
    grant.state = advanceGrant(grant.state, event);
    if (isReport(event)) this.#take(event, event.happenedAtMs ?? event.atMs, grant);
  }

  result(): Past {
    const owed = [...this.#owed].flatMap(([key, delivery]) => {
      const course = this.#courses.get(key);
      if (course?.isOver || (course === undefined && this.#isStale(delivery))) return [];
      const progress = course && this.#progressOf(course);
      return [{ delivery, ...(progress !== undefined && { progress }) }];
    });
    const lost = [...this.#lost].flatMap(([key, name]) => {
      const course = this.#courses.get(key);
      return course?.isOver ? [] : [{ name, attempts: course?.last?.attempt ?? 0 }];
    });
    return { owed, lost };
  }

  /** A grant of a door that nobody is told of is not followed. */
  async #begin(event: JournalEvent): Promise<void> {
    const state = begun(event);
    if (state === undefined || this.#grants.has(state.context.id)) return;
    const { door: name, configuration, id } = state.context;
    const key = JSON.stringify([name, configuration]);
    if (!this.#doors.has(key)) {
      this.#doors.set(key, await this.#with.catalog.find(name, configuration));
    }
    this.#grants.set(id, { state, door: this.#doors.get(key) });
  }

  #take(event: Report, atMs: number, { state, door }: Grant): void {
    const sinks = door === undefined ? [] : this.#with.sinksOf(door);
    const about = door && { state, door, atMs };
    for (const delivery of about === undefined ? [] : owedFor(event, about, sinks)) {
      const key = keyOf(delivery.name);
      // A stop that failed for good may do so again after the next start: it is owed once.
      if (!this.#owed.has(key)) this.#owed.set(key, delivery);
    }
    const isGone = TELLS.test(event.sink) && !sinks.some(({ name }) => name === event.sink);
    if (!isGone || (event.type !== 'Opened' && event.type !== 'Closed')) return;
    const { grant, sink, type } = event;
    const name = { grant, sink, event: type === 'Opened' ? 'open' : 'close' } as const;
    this.#lost.set(keyOf(name), name);
  }

  #follow(event: JournalEvent & EventOf<'Delivered' | 'DeliveryFailed'>): void {
    const key = keyOf(event);
    const course: Course = this.#courses.get(key) ?? { isOver: false };
    this.#courses.set(key, course);
    if (event.type === 'Delivered' || event.final) course.isOver = true;
    else if (event.attempt >= (course.last?.attempt ?? 0)) course.last = event;
    course.firstAtMs = Math.min(course.firstAtMs ?? event.atMs, event.atMs);
  }

  /** By the wall clock, the only one that outlives a process; it may have been set meanwhile. */
  #progressOf({ last, firstAtMs = 0 }: Course): Progress | undefined {
    if (last === undefined) return undefined;
    const { clock } = this.#with;
    const { attempt: attempts, reason, atMs, nextAtMs = atMs } = last;
    const leftMs = Math.min(nextAtMs - clock.wall(), nextAtMs - atMs);
    return {
      ...{ attempts, reason },
      firstMs: clock.now() - Math.max(0, clock.wall() - firstAtMs),
      dueMs: clock.now() + Math.max(0, leftMs),
    };
  }

  #isStale({ name, call, door }: Delivery): boolean {
    const { clock, sinksOf } = this.#with;
    const isOld = name.event === 'failed' && clock.wall() - call.atMs > FAILURES_FOR_MS;
    return isOld && sinksOf(door).some((sink) => sink.name === name.sink && !sink.delivery);
  }
}
