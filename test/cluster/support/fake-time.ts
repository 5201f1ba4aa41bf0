import { mock } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../src/clock.js';

const STEP_MS = 50;

/** Timers and clocks that stand still until a test moves them; `end` gives the real ones back. */
export class FakeTime {
  #nowMs = 1_000_000;

  constructor() {
    mock.timers.enable({ apis: ['setTimeout'] });
  }

  /** A host's clocks: its wall clock may be wrong by so much. */
  clock(wallOffMs = 0): Clock {
    return { now: () => this.#nowMs, wall: () => this.#nowMs + 1.7e12 + wallOffMs };
  }

  /** What timers and promises have to do in that time is done when it resolves. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      const step = Math.min(STEP_MS, left);
      this.#nowMs += step;
      mock.timers.tick(step);
      await this.settle();
    }
  }

  /** Lets promises that wait for no timer go on. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  }

  end(): void {
    mock.timers.reset();
  }
}
