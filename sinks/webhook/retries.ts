/** When a webhook that was not delivered is tried again. */
import type { DeliveryPolicy } from '../types.js';
import { WebhookFailure } from './failure.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The schedule of Standard Webhooks 1.0.0: ten attempts, the last one after three days. */
const DELAYS_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/** So that what failed together does not come back together. */
const JITTER = 0.2;

/** `random`: a number from 0 up to 1. */
export function webhookRetries(random: () => number = Math.random): DeliveryPolicy {
  return {
    retryAfterMs(attempt, error) {
      const delayMs = DELAYS_MS[attempt - 1];
      if (delayMs === undefined) return undefined;
      const failure = error instanceof WebhookFailure ? error : undefined;
      if (failure?.isFinal === true) return undefined;
      const jittered = delayMs * (1 - JITTER + 2 * JITTER * random());
      // A receiver may ask for more time; not for less, or it would have used up all attempts soon.
      return Math.round(Math.max(jittered, failure?.askedMs ?? 0));
    },
  };
}
