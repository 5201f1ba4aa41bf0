import { setTimeout } from 'node:timers/promises';

/**
 * Resolves with the first answer that is neither undefined nor false, asking every 5 ms; rejects
 * with `what` after `timeoutMs`. `eventually` is for what only has to become true.
 */
export async function poll<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs = 5000,
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > until) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await setTimeout(5);
  }
}
