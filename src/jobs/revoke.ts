/** `postern close`: what is open at a door for a source ends now. */
import { isShared } from '../../config/commands.js';
import type { Arbiter } from './arbiter.js';
import { familyOf } from './keys.js';
import type { Registry } from './registry.js';
import { within } from './within.js';

export interface Revocation {
  readonly door: string;
  readonly source: string;
  /** Wall clock ms: only what was last knocked for at that time or earlier. Absent: all. */
  readonly before?: number | undefined;
}

/** A stop command that takes longer goes on; it is no longer waited for. */
const CLOSED_WITHIN_MS = 5000;

/** Resolves with how many grants have ended. Never rejects. */
export async function revoke(revocation: Revocation, registry: Registry): Promise<number> {
  const revoked = registry.all().filter((arbiter) => isMeant(arbiter, revocation));
  const closing = revoked.map((arbiter) => arbiter.close('revoked'));
  await within(CLOSED_WITHIN_MS, Promise.allSettled(closing));
  return revoked.filter(({ isOver }) => isOver).length;
}

function isMeant(arbiter: Arbiter, { door: name, source, before }: Revocation): boolean {
  const { door, state, knockedAtMs, isRevocable } = arbiter;
  const isForAll = isShared(door, familyOf(state.context.source));
  return (
    isRevocable &&
    state.context.door === name &&
    (state.context.source === source || isForAll) &&
    knockedAtMs <= (before ?? Number.POSITIVE_INFINITY)
  );
}
