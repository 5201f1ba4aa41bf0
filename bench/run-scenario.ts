/**
 * One scenario in a process of its own, so that none inherits the heap or the ruins of another:
 * `run-scenario.js NAME FOLDER [quick]`, forked by main.js, which gets what was measured.
 */
import { rm } from 'node:fs/promises';
import { openContext } from './lib/context.js';
import type { Measured } from './lib/scenario.js';
import { SCENARIOS } from './scenarios/all.js';

export type Outcome =
  | { readonly measured: Measured }
  | { readonly failed: string }
  | { readonly interrupted: true };

const [, , name, folder = '', form] = process.argv;
const { context, close } = openContext(folder, form === 'quick');
let isEnding = false;

async function end(outcome: Outcome): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await close();
  // Whoever made it removes it too, unless it is gone.
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  if (process.connected) process.send?.(outcome, () => process.exit(0));
  else process.exit(1);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const interrupted = () => void end({ interrupted: true });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupted);
// Whoever wanted to know is gone.
process.on('disconnect', interrupted);
process.on('uncaughtException', (error) => void end({ failed: reasonOf(error) }));

const scenario = SCENARIOS.find((each) => each.name === name);
if (scenario === undefined) throw new Error(`no scenario "${name}"`);
scenario.run(context).then(
  (measured) => end({ measured }),
  (error: unknown) => end({ failed: reasonOf(error) }),
);
