/** When a message that was not delivered is tried again. */
import type { DeliveryPolicy } from '../types.js';
import { EmailFailure } from './failure.js';

const MINUTE_MS = 60_000;
const LONGEST_MS = 30 * MINUTE_MS;
const DAY_MS = 86_400_000;

/** So that what failed together does not come back together. */
const JITTER = 0.2;

/**
 * A minute, doubling to half an hour, for a day. A refusal that somebody has to mend (a password, an
 * address) is tried every half an hour from the start: a server may lock out who gives a wrong
 * password more often. `random`: a number from 0 up to 1.
 */
export function emailRetries(
  collectMs: number,
  random: () => number = Math.random,
): DeliveryPolicy {
  return {
    ...(collectMs > 0 && { collectMs }),
    retryAfterMs(attempt, error, ageMs) {
      const failure = error instanceof EmailFailure ? error : undefined;
      if (failure?.isFinal === true || ageMs >= DAY_MS) return undefined;
      const doubled = Math.min(MINUTE_MS * 2 ** (attempt - 1), LONGEST_MS);
      const delayMs = failure?.isLasting === true ? LONGEST_MS : doubled;
      const jittered = Math.round(delayMs * (1 - JITTER + 2 * JITTER * random()));
      // The last attempt is made when the day is over.
      return Math.min(jittered, DAY_MS - ageMs);
    },
  };
}
