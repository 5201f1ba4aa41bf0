/**
 * The calls of a sink about one grant, one after the other. A close does not wait for what another
 * call wants to do: that one is told to stop first.
 */

/** One call's turn. */
export interface Turn {
  /** Aborts when the caller's does, or when a close wants to begin. */
  readonly signal: AbortSignal;
  /** When that has settled and the grant was closed since this turn, does it, as a turn of its own. */
  watch(settled: Promise<void>, ifClosed: (signal: AbortSignal) => Promise<void>): void;
}

/** What is under way, or still watched, about one grant. */
interface Line {
  tail: Promise<unknown>;
  /** Calls that have or await a turn, and openings that are watched; with none it is forgotten. */
  users: number;
  /** Ends the calls that a close must not wait for. */
  breaking: AbortController;
  closes: number;
}

export class GrantTurns {
  readonly #lines = new Map<string, Line>();

  /** Acts when all earlier calls for that grant have ended. */
  take(id: string, signal: AbortSignal, act: (turn: Turn) => Promise<void>): Promise<void> {
    const line = this.#line(id);
    const breaking = line.breaking.signal;
    return this.#queue(id, line, AbortSignal.any([signal, breaking]), act);
  }

  /** As `take`, and what has a turn or waits for one is told to stop, but for other closes. */
  close(id: string, signal: AbortSignal, act: (turn: Turn) => Promise<void>): Promise<void> {
    const line = this.#line(id);
    line.breaking.abort(new Error('it is being closed'));
    line.breaking = new AbortController();
    return this.#queue(id, line, signal, (turn) => {
      line.closes += 1;
      return act(turn);
    });
  }

  #line(id: string): Line {
    const known = this.#lines.get(id);
    if (known !== undefined) return known;
    const line = {
      tail: Promise.resolve(),
      users: 0,
      breaking: new AbortController(),
      closes: 0,
    };
    this.#lines.set(id, line);
    return line;
  }

  async #queue(
    id: string,
    line: Line,
    signal: AbortSignal,
    act: (turn: Turn) => Promise<void>,
  ): Promise<void> {
    const turn = line.tail.then(() => {
      signal.throwIfAborted();
      return act({
        signal,
        watch: (settled, ifClosed) => this.#watch(id, line, settled, ifClosed),
      });
    });
    line.tail = turn.catch(() => {}); // Whoever asked hears of it.
    line.users += 1;
    try {
      await turn;
    } finally {
      this.#leave(id, line);
    }
  }

  #watch(
    id: string,
    line: Line,
    settled: Promise<void>,
    ifClosed: (signal: AbortSignal) => Promise<void>,
  ): void {
    const { closes } = line;
    line.users += 1;
    void settled.then(() => {
      if (line.closes > closes) void this.#queue(id, line, NEVER, ({ signal }) => ifClosed(signal));
      this.#leave(id, line);
    });
  }

  #leave(id: string, line: Line): void {
    line.users -= 1;
    if (line.users === 0) this.#lines.delete(id);
  }
}

const NEVER = new AbortController().signal;
