import { setTimeout } from 'node:timers/promises';

/**
 * Asks again every `everyMs` (50) until the answer is true; throws with `what` after `withinMs`
 * (3,000). For what has no event to await: firewall rules, connections, other programs' files.
 */
export async function eventually(
  what: string,
  ask: () => boolean | Promise<boolean>,
  { withinMs = 3000, everyMs = 50 }: { withinMs?: number; everyMs?: number } = {},
): Promise<void> {
  const until = Date.now() + withinMs;
  while (!(await ask())) {
    if (Date.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await setTimeout(everyMs);
  }
}
