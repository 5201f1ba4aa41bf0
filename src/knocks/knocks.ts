/**
 * The registry of knockers: which source has which machine, and what a packet means to it. It has
 * no clock, no I/O and no timers; `live.ts` drives it from packets and time, a replay from a file.
 */
import { initialTransition, type SnapshotFrom } from 'xstate';
import { concerns, type DoorTable, type MatchDoor, strayConcerns } from '../../machines/doors.js';
import {
  isForgotten,
  type KnockerContext,
  type KnockerEffect,
  type KnockerEvent,
  knocker,
  nextDeadlineMs,
} from '../../machines/knocker.js';
import { stepOf } from '../../machines/step.js';
import type { Packet } from '../../machines/types.js';
import { LatestWords } from './address-words.js';
import { AttemptLimit } from './attempt-limit.js';
import { type Alarm, Deadlines } from './deadlines.js';
import { type DormantPacket, DormantTable } from './dormant.js';
import type { KnockCounts, KnocksOptions } from './types.js';

interface Knocker {
  /** All there is to its machine's snapshot: see `snapshotOf`. */
  context: KnockerContext;
  /** Its only one; never later than its next deadline. */
  alarm: Alarm | undefined;
}

const NO_DOORS: readonly MatchDoor[] = [];
/** A machine's timeout takes as long as those of so many dormant records. */
const MACHINE_WEIGHT = 10;
const [quiet] = initialTransition(knocker);
const step = stepOf(knocker);
/** A machine's state follows from its context, so the half of a kilobyte around it is made anew. */
const knocking: SnapshotFrom<typeof knocker> = knocker.resolveState({
  value: 'knocking',
  context: quiet.context,
});

export class Knocks {
  readonly #options: KnocksOptions;
  readonly #dormant: DormantTable;
  /** Least recently active first. */
  readonly #knockers = new Map<string, Knocker>();
  readonly #deadlines = new Deadlines();
  readonly #attempts: AttemptLimit;
  /** The last time that was heard of. */
  #nowMs = 0;
  #table: DoorTable;
  #dormantEvicted = 0;
  #machinesEvicted = 0;

  constructor(table: DoorTable, options: KnocksOptions) {
    this.#table = table;
    this.#options = options;
    const words = new LatestWords();
    this.#dormant = new DormantTable(options.limits.maxSources, words);
    this.#attempts = new AttemptLimit(words);
  }

  get table(): DoorTable {
    return this.#table;
  }

  /** New doors; attempts at doors that are not the same object any more are dropped (M11, G7). */
  setTable(table: DoorTable): void {
    this.#table = table;
  }

  counts(): KnockCounts {
    return {
      dormant: this.#dormant.size,
      machines: this.#knockers.size,
      dormantEvicted: this.#dormantEvicted,
      machinesEvicted: this.#machinesEvicted,
      ignored: this.#attempts.ignoredCount(this.#nowMs),
    };
  }

  /** Takes a packet in. What it does is told to `onEvent` before this returns. */
  packet(packet: Packet): void {
    const table = this.#table;
    const kind = table.kindOf(packet.protocol, packet.port);
    if (kind === 'ignored') return;
    const { host } = this.#options;
    if (kind === 'stray' && table.strayClasses.length === 0) return;
    const local = host.isLocal(packet.destination, packet.interfaceIndex);
    if (!local && !table.targets.has(packet.destination)) return;
    if (kind === 'stray' && host.isListening(packet.protocol, packet.port)) return;
    if (kind === 'knock' && !table.isKnock(packet, local)) return;
    const type = kind === 'knock' ? 'KNOCK' : 'STRAY';
    const first = type === 'KNOCK' ? this.#firstKnocks(packet, local) : NO_DOORS;
    if (type === 'KNOCK' && this.#isIgnored(packet, first)) return;

    const active = this.#knockers.get(packet.source);
    if (active !== undefined) {
      this.#touch(packet.source, active);
      this.#send(packet.source, active, { type, packet, local, table });
      return;
    }
    if (type === 'STRAY' && !this.#isStray(packet, local)) return;
    const remembered = this.#dormant.wake(packet.source);
    if (remembered === undefined) {
      if (type === 'KNOCK' && first.length === 0) return;
      // A door of one knock is completed by its first packet: there is nothing to sleep on.
      if (first.every((door) => door.knocks.length > 1)) {
        this.#rest({ type, packet, local, generation: table.generation }, first);
        return;
      }
    }
    const woken = this.#wake(packet.source, remembered);
    this.#send(packet.source, woken, { type, packet, local, table });
  }

  /**
   * Acts on the deadlines that have come by `nowMs` (M8): on all of them, or on about so many, where
   * whoever calls has other things to do and comes back at once. No rule hangs on when it is called.
   */
  advance(nowMs: number, atMost = Number.POSITIVE_INFINITY): void {
    const table = this.#table;
    for (let left = atMost; left > 0; left -= MACHINE_WEIGHT) {
      const due = this.#deadlines.takeDue(nowMs);
      if (due === undefined) break;
      const active = this.#knockers.get(due.source);
      if (active === undefined) continue;
      active.alarm = undefined;
      this.#send(due.source, active, { type: 'TIMEOUT', atMs: nowMs, table });
    }
    const beforeMs = nowMs - table.memoryMs;
    this.#dormant.expire(beforeMs, (record) => this.#expireDormant(record), atMost);
    this.#attempts.sweep(nowMs);
    this.#nowMs = nowMs;
  }

  /** When `advance` next has something to do, monotonic ms; Infinity: nothing is remembered. */
  nextDeadlineMs(): number {
    const dormantMs = this.#dormant.oldestMs() + this.#table.memoryMs;
    return Math.min(this.#deadlines.nextMs, dormantMs, this.#attempts.nextSweepMs);
  }

  /** Whether a packet to a port in no sequence is a stray at any door (M7). */
  #isStray(packet: Packet, local: boolean): boolean {
    return this.#table.strayClasses.some((strays) => strayConcerns(strays, packet, local));
  }

  /** The doors that it is the first knock of. Makes no list where the table has one. */
  #firstKnocks(packet: Packet, local: boolean): readonly MatchDoor[] {
    const doors = this.#table.firstKnockOf(packet.protocol, packet.port);
    for (const door of doors) {
      if (!concerns(door, packet, local)) {
        return doors.filter((each) => concerns(each, packet, local));
      }
    }
    return doors;
  }

  /**
   * M12, before all other rules: the knocks of a source that began too many attempts are as if they
   * had not come. An attempt is a packet that is a first knock, of however many doors.
   */
  #isIgnored({ source, atMs }: Packet, first: readonly MatchDoor[]): boolean {
    const { maxAttemptsPerMinute = 0 } = this.#table.rules;
    if (maxAttemptsPerMinute === 0) return false;
    if (first.length === 0) return this.#attempts.ignores(source, atMs);
    const verdict = this.#attempts.begin(source, atMs, maxAttemptsPerMinute);
    if (verdict === 'within') return false;
    this.#nowMs = atMs;
    const [door] = first;
    const { onEvent } = this.#options;
    if (verdict === 'exceeds' && door) onEvent({ kind: 'ignored', door, source, stage: 0, atMs });
    for (const each of first) onEvent({ kind: 'limited', door: each, source, stage: 0, atMs });
    return true;
  }

  /** Remembers a source's first packet, without a machine for it. */
  #rest(record: DormantPacket, begun: readonly MatchDoor[]): void {
    const { packet } = record;
    const isTarget = this.#table.targets.has(packet.destination);
    if (this.#dormant.add(record, isTarget)) this.#dormantEvicted++;
    for (const door of begun) {
      const { source, atMs } = packet;
      this.#options.onEvent({ kind: 'begun', door, source, stage: 1, atMs });
    }
  }

  #wake(source: string, remembered: DormantPacket | undefined): Knocker {
    if (this.#knockers.size >= this.#options.limits.maxMachines) this.#evictOldest();
    const woken: Knocker = { context: quiet.context, alarm: undefined };
    this.#knockers.set(source, woken);
    if (remembered !== undefined) {
      // What the packet began was told when it came in.
      const event: KnockerEvent = { ...remembered, table: this.#table };
      woken.context = step(quiet, event)[0].context;
    }
    return woken;
  }

  #evictOldest(): void {
    for (const [source, oldest] of this.#knockers) {
      this.#forget(source, oldest);
      this.#machinesEvicted++;
      return;
    }
  }

  #forget(source: string, active: Knocker): void {
    this.#knockers.delete(source);
    if (active.alarm !== undefined) this.#deadlines.remove(active.alarm);
  }

  #touch(source: string, active: Knocker): void {
    this.#knockers.delete(source);
    this.#knockers.set(source, active);
  }

  #send(source: string, active: Knocker, event: KnockerEvent): void {
    const [{ context }, effects] = step(snapshotOf(active), event);
    active.context = context;
    if (isForgotten(context)) this.#forget(source, active);
    else this.#arm(source, active, nextDeadlineMs(context));
    for (const effect of effects) this.#tell(source, effect);
  }

  /** An alarm that comes too early is set anew when it does: most packets put deadlines off. */
  #arm(source: string, active: Knocker, deadlineMs: number): void {
    if (active.alarm !== undefined) {
      if (active.alarm.atMs <= deadlineMs) return;
      this.#deadlines.remove(active.alarm);
    }
    active.alarm = this.#deadlines.add(deadlineMs, source);
  }

  #tell(source: string, effect: { readonly type: string; readonly params?: unknown }): void {
    if (!isEffect(effect)) return;
    this.#options.onEvent({ kind: effect.type, source, ...effect.params });
  }

  #expireDormant({ packet, local, generation }: DormantPacket): void {
    for (const door of this.#firstKnocks(packet, local)) {
      if ((this.#table.born(door) ?? 0) > generation) continue;
      const { source } = packet;
      const atMs = packet.atMs + door.seqTimeoutMs;
      this.#options.onEvent({ kind: 'expired', door, source, stage: 1, atMs });
    }
  }
}

function snapshotOf({ context }: Knocker): SnapshotFrom<typeof knocker> {
  return { ...(context.attempts.length > 0 ? knocking : quiet), context };
}

const KINDS: ReadonlySet<string> = new Set<KnockerEffect['type']>([
  'begun',
  'advanced',
  'completed',
  'spoiled',
  'expired',
  'refused',
]);

function isEffect(action: { readonly type: string }): action is KnockerEffect {
  return KINDS.has(action.type);
}
