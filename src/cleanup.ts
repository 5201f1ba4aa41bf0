/** Ends what was started, last first. */
import { reasonOf } from './errors.js';
import type { Log } from './log/types.js';

export class Cleanup {
  readonly #steps: { readonly what: string; readonly end: () => Promise<void> | void }[] = [];

  constructor(private readonly log: Log) {}

  add(what: string, end: () => Promise<void> | void): void {
    this.#steps.push({ what, end });
  }

  /** Runs every step, also when one fails; a second call finds nothing left to do. */
  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.end();
      } catch (error) {
        this.log.error({ reason: reasonOf(error) }, `could not end ${step.what}`);
      }
    }
  }
}
