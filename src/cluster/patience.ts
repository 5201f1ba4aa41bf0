import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import type { Link } from './link.js';

const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 1000;

/**
 * Asks again and again, through outages: waits until the link is ready, and pauses longer and longer
 * while Redis refuses. Each reason for a refusal is said once.
 */
export class Patience {
  readonly #link: Link;
  readonly #log: Log;
  readonly #message: string;
  #pauseMs = PAUSE_MIN_MS;
  #said: string | undefined;

  constructor(link: Link, log: Log, message: string) {
    this.#link = link;
    this.#log = log;
    this.#message = message;
  }

  /** One try; `otherwise` when it failed, or the signal aborted. Never rejects. */
  async trying<T>(ask: () => Promise<T>, otherwise: T, signal: AbortSignal): Promise<T> {
    await this.#link.untilReady(signal);
    if (signal.aborted) return otherwise;
    try {
      const answer = await ask();
      this.#pauseMs = PAUSE_MIN_MS;
      this.#said = undefined;
      return answer;
    } catch (error) {
      await this.#pause(reasonOf(error), signal);
      return otherwise;
    }
  }

  async #pause(reason: string, signal: AbortSignal): Promise<void> {
    // That it is lost is said by the link, and it is ready when it is ready.
    if (!this.#link.isReady || signal.aborted) return;
    if (reason !== this.#said) this.#log.warn({ reason }, this.#message);
    this.#said = reason;
    await delay(this.#pauseMs, undefined, { signal }).catch(() => undefined);
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS);
  }
}
