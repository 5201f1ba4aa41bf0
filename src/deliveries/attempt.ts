/** One attempt to tell a sink something. */
import type { DeliveryPolicy, Sink, SinkCall } from '../../sinks/types.js';
import type { Clock } from '../clock.js';

const SECOND_MS = 1000;

/** Milliseconds after each failed attempt for sinks without a policy of their own: those that act. */
const DEFAULT_DELAYS_MS = [SECOND_MS, 5 * SECOND_MS, 30 * SECOND_MS, 120 * SECOND_MS];

const DEFAULT_POLICY: DeliveryPolicy = {
  retryAfterMs: (attempt) => DEFAULT_DELAYS_MS[attempt - 1],
};

export function policyOf({ delivery = DEFAULT_POLICY }: Sink): DeliveryPolicy {
  return delivery;
}

/** Milliseconds that its calls wait for others of the same door; 0: each is made alone. */
export function collectMsOf({ delivery, together }: Sink): number {
  return together === undefined ? 0 : (delivery?.collectMs ?? 0);
}

/**
 * Tells it; several calls are told together. Rejects with the sink's reason, or with the one that
 * `breaking` was aborted with, and that at once, even if the sink does not care; and so after
 * `limitMs`.
 */
export async function attempt(
  sink: Sink,
  calls: readonly SinkCall[],
  breaking: AbortController,
  limitMs: number,
): Promise<void> {
  const { signal } = breaking;
  const late = `it took longer than ${limitMs / SECOND_MS} s`;
  const timer = setTimeout(() => breaking.abort(new Error(late)), limitMs);
  const broken = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    await Promise.race([tell(sink, calls, signal), broken]);
  } finally {
    clearTimeout(timer);
  }
}

async function tell(sink: Sink, calls: readonly SinkCall[], signal: AbortSignal): Promise<void> {
  if (collectMsOf(sink) > 0) return sink.together?.(calls, signal);
  for (const { event, grant, reason = '' } of calls) {
    if (event === 'open') await sink.open(grant, signal);
    else if (event === 'close') await sink.close?.(grant, signal);
    else await sink.failed?.(grant, reason, signal);
  }
}

/** The call as it is now: the time that is left goes on. */
export function callNow(call: SinkCall, clock: Clock): SinkCall {
  const { untilMs } = call.grant;
  const leftMs = untilMs === null ? null : Math.max(0, untilMs - clock.wall());
  return { ...call, grant: { ...call.grant, leftMs } };
}
