/** The closing of one grant's sinks: each on its own, so that one that hangs holds up no other. */
import type { Door } from '../../config/types.js';
import type { Sink } from '../../sinks/types.js';
import { closeSink } from './acts.js';
import type { ArbiterContext } from './arbiter-types.js';
import type { GrantRecord } from './record.js';
import type { SinkDeadlines } from './sink-deadlines.js';

export interface ClosingsOptions {
  readonly door: Door;
  readonly record: GrantRecord;
  readonly deadlines: SinkDeadlines;
  /** One attempt has ended, and the record and the deadlines say how. */
  readonly onAttempt: () => void;
  readonly context: ArbiterContext;
}

export class SinkClosings {
  readonly #underway = new Map<string, Promise<void>>();

  constructor(private readonly options: ClosingsOptions) {}

  /** Starts an attempt to close it, unless it is being closed, or is not open. */
  begin(sink: Sink): void {
    const state = this.options.record.sink(sink.name);
    if (state?.phase !== 'open' || this.#underway.has(sink.name)) return;
    this.#underway.set(sink.name, this.#attempt(sink, state.attempts + 1));
  }

  /** Resolves when every attempt that is under way now has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#underway.values());
  }

  async #attempt(sink: Sink, attempt: number): Promise<void> {
    const { door, record, deadlines, onAttempt, context } = this.options;
    const grant = record.grantUntil(deadlines.nextMs);
    deadlines.drop(sink.name);
    const event = await closeSink(sink, grant, door, attempt, context);
    this.#underway.delete(sink.name);
    record.note(event);
    if (event.type === 'CloseFailed' && !event.final) {
      deadlines.set(sink.name, context.clock.now() + context.closeBackoffMs(attempt));
    }
    onAttempt();
  }
}
