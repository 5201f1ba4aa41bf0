/** At most so many at once; the rest wait in the order they came. */
export interface Pool {
  /**
   * Runs the task, at once and in this very call when there is room. Rejects with the signal's
   * reason, without running it, when the signal aborts while it waits.
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

export function createPool(size: number): Pool {
  const queue = new Set<() => void>();
  let running = 0;

  function release(): void {
    running -= 1;
    const [next] = queue;
    if (next === undefined) return;
    queue.delete(next);
    next();
  }

  async function start<T>(task: () => Promise<T>): Promise<T> {
    running += 1;
    try {
      return await task();
    } finally {
      release();
    }
  }

  function wait<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const giveUp = () => {
        queue.delete(begin);
        reject(signal?.reason);
      };
      const begin = () => {
        signal?.removeEventListener('abort', giveUp);
        start(task).then(resolve, reject);
      };
      queue.add(begin);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  return {
    run(task, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      return running < size ? start(task) : wait(task, signal);
    },
    get running() {
      return running;
    },
    get waiting() {
      return queue.size;
    },
  };
}
