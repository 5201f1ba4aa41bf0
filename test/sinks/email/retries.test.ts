import assert from 'node:assert/strict';
import { EmailFailure } from '../../../sinks/email/failure.js';
import { emailRetries } from '../../../sinks/email/retries.js';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

describe('retries of an e-mail', () => {
  const soon = new EmailFailure('x');
  const lasting = new EmailFailure('x', { isLasting: true });

  it('come after a minute, doubling to half an hour', () => {
    const policy = emailRetries(0, () => 0.5);
    const delays = [1, 2, 3, 4, 5, 6, 7, 2000].map((n) => policy.retryAfterMs(n, soon, 0));
    assert.deepEqual(
      delays,
      [1, 2, 4, 8, 16, 30, 30, 30].map((minutes) => minutes * MINUTE),
    );
  });

  it('come every half an hour when somebody has to mend something', () => {
    assert.equal(emailRetries(0, () => 0.5).retryAfterMs(1, lasting, 0), 30 * MINUTE);
  });

  it('vary by a fifth', () => {
    const [least, most] = [0, 1].map((random) =>
      emailRetries(0, () => random).retryAfterMs(6, new Error('any'), 0),
    );
    assert.deepEqual([least, most], [24 * MINUTE, 36 * MINUTE]);
  });

  it('end after a day, with one when it is over', () => {
    for (const error of [soon, lasting]) {
      const policy = emailRetries(0, () => 1);
      let [ageMs, attempt] = [0, 1];
      for (;;) {
        const delayMs = policy.retryAfterMs(attempt, error, ageMs);
        if (delayMs === undefined) break;
        ageMs += delayMs;
        attempt += 1;
      }
      assert.equal(ageMs, DAY);
      assert.ok(attempt > 40 && attempt < 60, String(attempt));
    }
  });

  it('are none when the message itself is refused', () => {
    const final = new EmailFailure('x', { isFinal: true });
    assert.equal(emailRetries(0).retryAfterMs(1, final, 0), undefined);
  });
});
