/**
 * What must happen is made to happen without BullMQ, and where it closes a door, without Redis
 * (DESIGN 7b). Called so often that, with the queue out of action, nothing is late by a second (T13).
 */
import { reasonOf } from '../errors.js';
import type { Arbiter } from './arbiter.js';
import type { ArbiterContext } from './arbiter-types.js';
import type { Registry } from './registry.js';

export const RECONCILE_EVERY_MS = 250;
/** A grant this long past its deadline is closed here. */
const CLOSE_AFTER_MS = 500;
/** A grant that no job has opened for so long is opened here. */
const OPEN_AFTER_MS = 1000;
/** One that was not opened for so long is never opened (DESIGN 5). */
export const ABANDON_AFTER_MS = 5000;

export interface ReconcilerContext extends Pick<ArbiterContext, 'clock' | 'log'> {
  readonly registry: Registry;
}

/** One round. Resolves when everything it began is done; a caller need not wait. */
export async function reconcile({ registry, clock, log }: ReconcilerContext): Promise<void> {
  const nowMs = clock.now();
  const acts = registry.all().map((arbiter) => actOn(arbiter, nowMs));
  for (const result of await Promise.allSettled(acts)) {
    if (result.status === 'rejected') {
      log.error({ reason: reasonOf(result.reason) }, 'the reconciler failed on a grant');
    }
  }
}

async function actOn(arbiter: Arbiter, nowMs: number): Promise<void> {
  if (arbiter.isBusy) return;
  const waitedMs = nowMs - (arbiter.waitingSinceMs ?? nowMs);
  if (waitedMs >= ABANDON_AFTER_MS) arbiter.abandon('it was not opened in time');
  else if (waitedMs >= OPEN_AFTER_MS) await arbiter.open();
  else if (nowMs >= (arbiter.deadlineMs ?? Number.POSITIVE_INFINITY) + CLOSE_AFTER_MS) {
    await arbiter.close('reconciler');
  }
}
