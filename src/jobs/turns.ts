/** One after the other, in the order of asking. */
export interface Turns {
  /** Runs the act when all earlier ones have ended; gives its result. */
  take<T>(act: () => Promise<T>): Promise<T>;
  /** Whether somebody has a turn or waits for one. */
  readonly isBusy: boolean;
  /** Resolves when every turn taken so far has ended. */
  idle(): Promise<void>;
}

export function createTurns(): Turns {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    async take(act) {
      waiting += 1;
      const turn = tail.then(act);
      tail = turn.catch(() => {}); // Whoever asked hears of it.
      try {
        return await turn;
      } finally {
        waiting -= 1;
      }
    },
    get isBusy() {
      return waiting > 0;
    },
    async idle() {
      await tail;
    },
  };
}
