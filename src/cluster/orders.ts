/**
 * What becomes of an order that another host wrote, or this one did before it ended: whether it is
 * still fresh, and for how long the door may be open for it. Pure (T5).
 */
import type { Door } from '../../config/types.js';
import type { Order } from './types.js';

export type CompletedOrder = Extract<Order, { readonly type: 'Completed' }>;
export type RevokedOrder = Extract<Order, { readonly type: 'Revoked' }>;

/** An order with who wrote it and when, by that host's wall clock. */
export interface Written<T extends Order> {
  readonly order: T;
  readonly host: string;
  readonly atMs: number;
  /** How long it has been in the shared Redis, by that one's clock. Absent: not known. */
  readonly heldMs?: number;
}

/** What nothing takes back is done so late at most: a backup of this morning is not run tonight. */
export const TRIGGER_FRESH_MS = 5 * 60_000;

export type Judgement =
  /** Open it for so many milliseconds: the door's time, or what remains of it. */
  | { readonly kind: 'fresh'; readonly openForMs: number }
  /** Its time is over. */
  | { readonly kind: 'expired' }
  /** It was written by a clock that is further ahead of ours than hosts' clocks may be. */
  | { readonly kind: 'future' };

export interface JudgedBy {
  /** Whether anything that the door does here is taken back after its time. */
  readonly closes: boolean;
  readonly wallMs: number;
  /** `clock_tolerance`: within it, the difference of two clocks says nothing. */
  readonly toleranceMs: number;
}

/** Whether a completion may still be acted on, and for how long it opens. */
export function judge(
  { atMs, heldMs }: Pick<Written<Order>, 'atMs' | 'heldMs'>,
  { cmdTimeoutMs }: Pick<Door, 'cmdTimeoutMs'>,
  { closes, wallMs, toleranceMs }: JudgedBy,
): Judgement {
  const measuredMs = wallMs - atMs;
  if (measuredMs < -toleranceMs) return { kind: 'future' };
  // The clock of Redis is one for all hosts, but only ours and the writer's can be believed.
  const isTold = heldMs !== undefined && Number.isFinite(heldMs);
  const toldMs = isTold ? heldMs : measuredMs <= toleranceMs ? 0 : measuredMs;
  const within = Math.min(toldMs, measuredMs + toleranceMs);
  const ageMs = Math.max(0, within, measuredMs - toleranceMs);
  if (!closes) {
    return ageMs > TRIGGER_FRESH_MS
      ? { kind: 'expired' }
      : { kind: 'fresh', openForMs: cmdTimeoutMs };
  }
  const openForMs = cmdTimeoutMs - ageMs;
  return openForMs > 0 ? { kind: 'fresh', openForMs } : { kind: 'expired' };
}

/** Until when (wall clock ms) a grant must be known as used, so that no replay of it is fresh. */
export function guardUntil(atMs: number, { cmdTimeoutMs }: Pick<Door, 'cmdTimeoutMs'>): number {
  return atMs + Math.max(cmdTimeoutMs, TRIGGER_FRESH_MS);
}

/** Whether a revocation ends what that completion opened; what came later stays. */
export function isRevoked(
  completed: Written<CompletedOrder>,
  revoked: Written<RevokedOrder>,
  toleranceMs: number,
): boolean {
  return (
    completed.order.door === revoked.order.door &&
    completed.order.source === revoked.order.source &&
    completed.atMs <= revoked.atMs + toleranceMs
  );
}
