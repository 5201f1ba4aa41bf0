/**
 * The knocker: everything postern remembers about one source. A pure XState machine: packets and
 * timeouts come in as events that carry their own time, and what happened goes out as effects
 * (actions that are data, run by `src/knocks`). The rules M1 to M11 are stated in docs/knockd.md.
 */
import { enqueueActions, setup } from 'xstate';
import { concerns, type DoorTable, type MatchDoor, portCode, strayConcerns } from './doors.js';
import type { Packet } from './types.js';

/** One source's progress through one door's sequence. */
export interface Attempt {
  readonly door: MatchDoor;
  /** How many knocks have been counted, at least 1. */
  readonly stage: number;
  /** Exact (M8): a packet at or after this is too late. Monotonic ms. */
  readonly deadlineMs: number;
  /** TCP packets counted so far, to know their retransmissions (M5). */
  readonly counted: readonly CountedPacket[];
  /** Codes of the different stray ports hit since it began (M7). */
  readonly strays: readonly number[];
}

interface CountedPacket {
  readonly sourcePort: number;
  readonly sequence: number;
}

/** The strays of one class that a source sent of late (M7). */
export interface StrayWindow {
  readonly classKey: string;
  readonly seqTimeoutMs: number;
  readonly lastMs: number;
  /** More than `scanLimit` different ports: no attempt begins until it has been quiet. */
  readonly scanning: boolean;
  readonly hits: readonly { readonly code: number; readonly atMs: number }[];
}

export interface KnockerContext {
  readonly attempts: readonly Attempt[];
  readonly strays: readonly StrayWindow[];
}

interface PacketEvent {
  readonly packet: Packet;
  /** Whether the destination is one of this host's addresses (M1). */
  readonly local: boolean;
  readonly table: DoorTable;
  /** The table's generation when the packet came in (M11); absent: the table's own. */
  readonly generation?: number;
}

export type KnockerEvent =
  | ({ readonly type: 'KNOCK' } & PacketEvent)
  | ({ readonly type: 'STRAY' } & PacketEvent)
  | { readonly type: 'TIMEOUT'; readonly atMs: number; readonly table: DoorTable };

export type SpoilReason = 'wrong knock' | 'stray';

/** What happened to an attempt; the machine's output, as data. */
export type KnockerEffect =
  | { readonly type: 'begun'; readonly params: EffectParams }
  | { readonly type: 'advanced'; readonly params: EffectParams }
  | { readonly type: 'completed'; readonly params: EffectParams }
  | { readonly type: 'spoiled'; readonly params: EffectParams & { readonly reason: SpoilReason } }
  | { readonly type: 'expired'; readonly params: EffectParams }
  /** A first knock that began no attempt, because the source is scanning (M7). */
  | { readonly type: 'refused'; readonly params: EffectParams };

export interface EffectParams {
  readonly door: MatchDoor;
  /** The stage reached: how many knocks of the sequence have been counted. */
  readonly stage: number;
  readonly atMs: number;
}

/** What one event does: the context after it, and what happened. */
interface Outcome {
  readonly context: KnockerContext;
  readonly effects: readonly KnockerEffect[];
}

/** M8: attempts whose deadline has come are over; M11: so are those at a door that is gone. */
function expire(
  attempts: readonly Attempt[],
  atMs: number,
  table: DoorTable,
  out: KnockerEffect[],
) {
  return attempts.filter((attempt) => {
    if (!table.has(attempt.door)) return false;
    if (atMs < attempt.deadlineMs) return true;
    const { door, stage, deadlineMs } = attempt;
    out.push({ type: 'expired', params: { door, stage, atMs: deadlineMs } });
    return false;
  });
}

/** Forgets strays that no longer count: all of a window once it has been quiet (M7). */
function forgetQuiet(strays: readonly StrayWindow[], atMs: number): readonly StrayWindow[] {
  return strays.filter((window) => atMs - window.lastMs < window.seqTimeoutMs);
}

type Verdict = 'advance' | 'ignore' | 'spoil';

/** M4, M5 and M6: what a knock that concerns an attempt's door means to the attempt. */
function judge(attempt: Attempt, packet: Packet): Verdict {
  const { door, stage, counted } = attempt;
  const isSame = (knock: { port: number; protocol: string } | undefined) =>
    knock?.port === packet.port && knock.protocol === packet.protocol;
  const isRetransmission =
    packet.protocol === 'tcp' &&
    counted.some((c) => c.sourcePort === packet.sourcePort && c.sequence === packet.sequence);
  if (isRetransmission) return 'ignore';
  if (isSame(door.knocks[stage])) return 'advance';
  if (isSame(door.knocks[stage - 1])) return 'ignore';
  return 'spoil';
}

function countPacket(counted: readonly CountedPacket[], packet: Packet): readonly CountedPacket[] {
  if (packet.protocol === 'udp') return counted;
  return [...counted, { sourcePort: packet.sourcePort, sequence: packet.sequence }];
}

/** M4 to M6 for all attempts; returns those that live on and the doors completed. */
function judgeAll(attempts: readonly Attempt[], event: PacketEvent, out: KnockerEffect[]) {
  const { packet, local } = event;
  const { atMs } = packet;
  const completed = new Set<MatchDoor>();
  const live: Attempt[] = [];
  for (const attempt of attempts) {
    const { door } = attempt;
    const verdict = concerns(door, packet, local) ? judge(attempt, packet) : 'ignore';
    if (verdict === 'ignore') live.push(attempt);
    else if (verdict === 'spoil') {
      const params = { door, stage: attempt.stage, atMs, reason: 'wrong knock' as const };
      out.push({ type: 'spoiled', params });
    } else {
      const stage = attempt.stage + 1;
      const isLast = stage === door.knocks.length;
      out.push({ type: isLast ? 'completed' : 'advanced', params: { door, stage, atMs } });
      if (isLast) completed.add(door);
      else live.push({ ...attempt, stage, counted: countPacket(attempt.counted, packet) });
    }
  }
  return { live, completed };
}

/** M3: the first knock of a door begins an attempt, unless the source is scanning (M7). */
function begin(
  context: KnockerContext,
  event: PacketEvent,
  skip: Set<MatchDoor>,
  out: KnockerEffect[],
) {
  const { packet, local, table, generation = table.generation } = event;
  const { atMs } = packet;
  const begun: Attempt[] = [];
  for (const door of table.firstKnockOf(packet.protocol, packet.port)) {
    if (skip.has(door) || !concerns(door, packet, local)) continue;
    if ((table.born(door) ?? 0) > generation) continue;
    const classKey = table.classOf(door)?.key;
    if (context.strays.some((window) => window.scanning && window.classKey === classKey)) {
      out.push({ type: 'refused', params: { door, stage: 0, atMs } });
    } else if (door.knocks.length === 1) {
      out.push({ type: 'completed', params: { door, stage: 1, atMs } });
      skip.add(door);
    } else {
      out.push({ type: 'begun', params: { door, stage: 1, atMs } });
      const deadlineMs = atMs + door.seqTimeoutMs;
      begun.push({ door, stage: 1, deadlineMs, counted: countPacket([], packet), strays: [] });
    }
  }
  return begun;
}

/** M3: of two attempts at the same door and stage the later begun stays. */
function settle(attempts: readonly Attempt[]): readonly Attempt[] {
  if (attempts.length < 2) return attempts;
  return attempts.filter(
    (attempt) =>
      !attempts.some(
        (other) =>
          other !== attempt &&
          other.door === attempt.door &&
          other.stage === attempt.stage &&
          (other.deadlineMs > attempt.deadlineMs ||
            (other.deadlineMs === attempt.deadlineMs &&
              attempts.indexOf(other) > attempts.indexOf(attempt))),
      ),
  );
}

function onKnock(context: KnockerContext, event: PacketEvent): Outcome {
  const effects: KnockerEffect[] = [];
  const { atMs } = event.packet;
  const strays = forgetQuiet(context.strays, atMs);
  const current = expire(context.attempts, atMs, event.table, effects);
  const { live, completed } = judgeAll(current, event, effects);
  const begun = begin({ attempts: live, strays }, event, completed, effects);
  // M9: completion clears the attempts of this door and source, and no others.
  const attempts = settle([...live, ...begun]).filter((attempt) => !completed.has(attempt.door));
  return { context: { attempts, strays }, effects };
}

/** M7: counts a stray against the source (scans) ... */
function countStrays(context: KnockerContext, event: PacketEvent): readonly StrayWindow[] {
  const { packet, local, table } = event;
  const { atMs } = packet;
  const code = portCode(packet.protocol, packet.port);
  const strays = forgetQuiet(context.strays, atMs);
  const hit = table.strayClasses.filter((strayClass) => strayConcerns(strayClass, packet, local));
  const untouched = strays.filter((window) => !hit.some(({ key }) => key === window.classKey));
  const touched = hit.map(({ key, seqTimeoutMs }): StrayWindow => {
    const window = strays.find(({ classKey }) => classKey === key);
    const recent = (window?.hits ?? []).filter(
      (old) => old.code !== code && atMs - old.atMs < seqTimeoutMs,
    );
    const hits = [...recent, { code, atMs }];
    const scanning = window?.scanning === true || hits.length > table.rules.scanLimit;
    return { classKey: key, seqTimeoutMs, lastMs: atMs, scanning, hits: scanning ? [] : hits };
  });
  return [...untouched, ...touched];
}

/** M7: ... and against each attempt under way. */
function onStray(context: KnockerContext, event: PacketEvent): Outcome {
  const effects: KnockerEffect[] = [];
  const { packet, local, table } = event;
  const { atMs } = packet;
  const { strayLimit } = table.rules;
  const code = portCode(packet.protocol, packet.port);
  const attempts: Attempt[] = [];
  for (const attempt of expire(context.attempts, atMs, table, effects)) {
    const { door, stage } = attempt;
    const strayClass = table.classOf(door);
    const isNew = strayClass !== undefined && strayConcerns(strayClass, packet, local);
    if (!isNew || attempt.strays.includes(code)) attempts.push(attempt);
    else if (strayLimit === 'off' || attempt.strays.length < strayLimit) {
      attempts.push({ ...attempt, strays: [...attempt.strays, code] });
    } else effects.push({ type: 'spoiled', params: { door, stage, atMs, reason: 'stray' } });
  }
  return { context: { attempts, strays: countStrays(context, event) }, effects };
}

function onTimeout(context: KnockerContext, atMs: number, table: DoorTable): Outcome {
  const effects: KnockerEffect[] = [];
  const attempts = expire(context.attempts, atMs, table, effects);
  return { context: { attempts, strays: forgetQuiet(context.strays, atMs) }, effects };
}

/** An effect is data: `src/knocks` reads it from the transition's result, so nothing runs here. */
const asData = (_: unknown, _params: EffectParams) => {};

/**
 * @example
 * const [quiet] = initialTransition(knocker);
 * const [next, effects] = transition(knocker, quiet, { type: 'KNOCK', packet, local: true, table });
 */
export const knocker = setup({
  types: {
    context: {} as KnockerContext,
    events: {} as KnockerEvent,
  },
  actions: {
    begun: asData,
    advanced: asData,
    completed: asData,
    spoiled: (_, _params: EffectParams & { reason: SpoilReason }) => {},
    expired: asData,
    refused: asData,
  },
  guards: {
    hasAttempts: ({ context }) => context.attempts.length > 0,
    hasNoAttempts: ({ context }) => context.attempts.length === 0,
  },
}).createMachine({
  id: 'knocker',
  context: { attempts: [], strays: [] },
  initial: 'quiet',
  on: {
    KNOCK: {
      actions: enqueueActions(({ context, event, enqueue }) => {
        const outcome = onKnock(context, event);
        enqueue.assign(outcome.context);
        for (const effect of outcome.effects) enqueue(effect);
      }),
    },
    STRAY: {
      actions: enqueueActions(({ context, event, enqueue }) => {
        const outcome = onStray(context, event);
        enqueue.assign(outcome.context);
        for (const effect of outcome.effects) enqueue(effect);
      }),
    },
    TIMEOUT: {
      actions: enqueueActions(({ context, event, enqueue }) => {
        const outcome = onTimeout(context, event.atMs, event.table);
        enqueue.assign(outcome.context);
        for (const effect of outcome.effects) enqueue(effect);
      }),
    },
  },
  states: {
    /** No attempt under way: nothing yet, or only strays are remembered. */
    quiet: { always: { guard: 'hasAttempts', target: 'knocking' } },
    /** At least one attempt is under way. */
    knocking: { always: { guard: 'hasNoAttempts', target: 'quiet' } },
  },
});

/** When the machine next needs a TIMEOUT, monotonic ms; Infinity if it remembers nothing. */
export function nextDeadlineMs({ attempts, strays }: KnockerContext): number {
  let next = Number.POSITIVE_INFINITY;
  for (const attempt of attempts) next = Math.min(next, attempt.deadlineMs);
  for (const window of strays) next = Math.min(next, window.lastMs + window.seqTimeoutMs);
  return next;
}

/** Whether nothing is left to remember, so that the source can be forgotten. */
export function isForgotten({ attempts, strays }: KnockerContext): boolean {
  return attempts.length === 0 && strays.length === 0;
}
