/** Runs a scenario in a process of its own, and cleans up after it whatever becomes of it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasEnded } from '../../test/support/processes.js';
import type { Outcome } from '../run-scenario.js';
import type { Measured } from './scenario.js';

const RUNNER = fileURLToPath(new URL('../run-scenario.js', import.meta.url));
/** One that hangs must not hold up the others for ever. */
const LIMIT_SECONDS = { full: 30 * 60, quick: 60 };
const TIDY_MS = 15_000;

export interface Run {
  readonly name: string;
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

/** @throws Error that says how the scenario failed; also when the signal ends it */
export async function runScenario({ name, quick, signal }: Run): Promise<Measured> {
  signal.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  try {
    return await inChild([name, folder, quick ? 'quick' : 'full'], quick, signal);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function inChild(argv: string[], quick: boolean, signal: AbortSignal): Promise<Measured> {
  const limitSeconds = quick ? LIMIT_SECONDS.quick : LIMIT_SECONDS.full;
  // What is not a number in the figures stays so on its way.
  const child = fork(RUNNER, argv, { serialization: 'advanced' });
  const limit = AbortSignal.timeout(limitSeconds * 1000);
  const stop = () => endTidily(child);
  signal.addEventListener('abort', stop);
  limit.addEventListener('abort', stop);
  try {
    const outcome = await outcomeOf(child);
    if ('measured' in outcome) return outcome.measured;
    if ('failed' in outcome) throw new Error(outcome.failed);
    throw new Error(limit.aborted ? `not done after ${limitSeconds} s` : 'interrupted');
  } finally {
    signal.removeEventListener('abort', stop);
    limit.removeEventListener('abort', stop);
  }
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let told: Outcome | undefined;
  child.on('message', (message: Outcome) => {
    told = message;
  });
  const [code, signal] = await once(child, 'exit');
  return told ?? { failed: `it ended with ${signal ?? code} and gave nothing` };
}

/** It removes its namespaces itself; only when that takes too long it is killed. */
function endTidily(child: ChildProcess): void {
  if (hasEnded(child)) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), TIDY_MS);
  child.once('exit', () => clearTimeout(timer));
}
