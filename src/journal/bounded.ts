import { PosternError, reasonOf } from '../errors.js';

/** Resolves when the signal aborts; never rejects. Let go of its listener with `dispose`. */
export function untilAborted(signal: AbortSignal): { promise: Promise<void>; dispose(): void } {
  let dispose = () => {};
  const promise = new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    dispose = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, dispose };
}

/**
 * The answer to a question to Redis, or undefined once the signal aborts. Rejects with
 * POSTERN_E_JOURNAL, naming what was asked, when Redis refuses or takes longer than `withinMs`.
 */
export async function answerWithin<T>(
  what: string,
  question: Promise<T>,
  withinMs: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const aborted = untilAborted(signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${withinMs} ms`)), withinMs);
  });
  try {
    return (await Promise.race([question, aborted.promise, late])) ?? undefined;
  } catch (error) {
    throw journalError(`the journal cannot ${what}: ${reasonOf(error)}`, error);
  } finally {
    clearTimeout(timer);
    aborted.dispose();
  }
}

export function journalError(message: string, cause?: unknown): PosternError {
  return new PosternError('POSTERN_E_JOURNAL', message, { cause });
}
