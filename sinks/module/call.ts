/** One call of a user's module, in bounded time whatever the module does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Owner, runAs } from './stray-errors.js';

/** What a module that was told to stop has left to do so, milliseconds. */
const STOP_WITHIN_MS = 500;

/** It did not settle though it was told to stop. What it may still do comes later, or never. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';

  constructor(
    message: string,
    /** Resolves when it does settle, in whichever way. */
    readonly settled: Promise<void>,
  ) {
    super(message);
  }
}

export interface CallOptions {
  readonly owner: Owner;
  readonly timeoutMs: number;
  /** Why it is told to stop when its time is over. */
  readonly overdue: string;
  /** Told to stop too when this aborts. */
  readonly signal: AbortSignal;
}

/**
 * Calls it, and gives it a signal that aborts when its time is over. Rejects with what it throws, or
 * with why it was told to stop.
 * @throws Abandoned half a second after that, when it has not settled
 */
export async function callWithin(
  act: (signal: AbortSignal) => unknown,
  { owner, timeoutMs, overdue, signal }: CallOptions,
): Promise<void> {
  signal.throwIfAborted();
  const stop = new AbortController();
  const over = new AbortController();
  // A listener of the module's that throws is the module's error too.
  const tell = (why: unknown) => runAs(owner, () => stop.abort(why));
  const relay = () => tell(signal.reason);
  signal.addEventListener('abort', relay, { once: true });
  const timer = setTimeout(() => tell(new Error(overdue)), timeoutMs);
  const work = runAs(owner, async () => {
    await act(stop.signal);
  });
  const settled = work.catch(() => {});
  try {
    await Promise.race([work, abandon(stop.signal, settled, over.signal)]);
  } catch (error) {
    // What it says when told to stop says less than why it was told.
    throw stop.signal.aborted && !(error instanceof Abandoned) ? stop.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', relay);
    over.abort();
  }
}

/** Rejects when it does not settle after it was told to stop; stays as it is when that is `over`. */
function abandon(stop: AbortSignal, settled: Promise<void>, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const wait = async () => {
      await sleep(STOP_WITHIN_MS, undefined, { signal: over });
      const { message } = stop.reason instanceof Error ? stop.reason : new Error('it was aborted');
      reject(new Abandoned(`${message}, and it does not stop when told to`, settled));
    };
    // Rejects when it has settled in time.
    stop.addEventListener('abort', () => void wait().catch(() => {}), { once: true, signal: over });
  });
}
