import assert from 'node:assert/strict';
import fc from 'fast-check';
import { WebhookFailure } from '../../../sinks/webhook/failure.js';
import { webhookRetries } from '../../../sinks/webhook/retries.js';
import { random } from './bench.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Standard Webhooks 1.0.0, "Deliverability and reliability". */
const PUBLISHED = [
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

describe('retries of a webhook', () => {
  const failed = new WebhookFailure('x');
  const delays = (chance: number, error: unknown = failed) =>
    PUBLISHED.map((_, index) => webhookRetries(() => chance).retryAfterMs(index + 1, error, 0));

  it('follow the published schedule, give or take a fifth', () => {
    assert.deepEqual(delays(0.5), PUBLISHED);
    assert.deepEqual(
      delays(0),
      PUBLISHED.map((ms) => ms * 0.8),
    );
    assert.deepEqual(
      delays(1),
      PUBLISHED.map((ms) => ms * 1.2),
    );
  });

  it('come at different times', () => {
    const times = Array.from({ length: 20 }, () => webhookRetries().retryAfterMs(3, failed, 0));
    assert.ok(new Set(times).size > 10);
  });

  it('end after ten attempts', () => {
    for (const attempt of [10, 11, 1000])
      assert.equal(webhookRetries().retryAfterMs(attempt, failed, 0), undefined);
  });

  it('end when the receiver wants no more', () => {
    const gone = new WebhookFailure('x', { isFinal: true });
    assert.equal(webhookRetries().retryAfterMs(1, gone, 0), undefined);
  });

  it('are as usual for an error of any other kind', () => {
    for (const error of [new Error('x'), undefined, 'x', { isFinal: true, askedMs: 1e12 }])
      assert.deepEqual(delays(0.5, error), PUBLISHED);
  });

  it('come no sooner than the receiver asked, and no later for it than they must', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.nat(86_400_000),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, askedMs, chance) => {
          const { retryAfterMs } = webhookRetries(() => chance);
          const usual = retryAfterMs(attempt, failed, 0) ?? 0;
          const asked = retryAfterMs(attempt, new WebhookFailure('x', { askedMs }), 0);
          assert.equal(asked, Math.max(usual, askedMs));
          assert.ok(Number.isInteger(usual));
        },
      ),
      random(200),
    );
  });
});
