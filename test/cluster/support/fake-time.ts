import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../src/clock.js';

const STEP_MS = 50;
const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

/** `setTimeout` and clocks that stand still until a test moves them; `end` gives the real ones back. */
export class FakeTime {
  readonly #timers = new Map<unknown, { readonly atMs: number; readonly act: () => void }>();
  #nowMs = 1_000_000;

  constructor() {
    replace('setTimeout', (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      // A real one, ended at once, for those who call its methods.
      const timer = real.setTimeout(() => {}, 0);
      real.clearTimeout(timer);
      this.#timers.set(timer, { atMs: this.#nowMs + ms, act: () => act(...args) });
      return timer;
    });
    replace('clearTimeout', (timer: NodeJS.Timeout | undefined) => {
      if (!this.#timers.delete(timer)) real.clearTimeout(timer);
    });
  }

  /** A host's clocks: its wall clock may be wrong by so much. */
  clock(wallOffMs = 0): Clock {
    return { now: () => this.#nowMs, wall: () => this.#nowMs + 1.7e12 + wallOffMs };
  }

  /** What timers and promises have to do in that time is done when it resolves. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.#nowMs += Math.min(STEP_MS, left);
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= this.#nowMs);
      for (const [timer, { act }] of due.sort(([, a], [, b]) => a.atMs - b.atMs)) {
        if (this.#timers.delete(timer)) act();
      }
      await this.settle();
    }
  }

  /** Lets promises that wait for no timer go on. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  }

  end(): void {
    replace('setTimeout', real.setTimeout);
    replace('clearTimeout', real.clearTimeout);
  }
}

function replace(name: 'setTimeout' | 'clearTimeout', value: unknown): void {
  Object.defineProperty(globalThis, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
