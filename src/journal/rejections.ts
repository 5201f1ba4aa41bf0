import type { Log } from '../log/types.js';
import type { Rejection } from './seal.js';

/** The first of each kind is logged, then each hundredth. */
const LOG_EVERY = 100;
/** Ids that are remembered, so that an entry that is read twice counts once. */
const REMEMBERED = 65_536;

const MESSAGES: Record<Rejection, string> = {
  forged: 'an event of the journal does not verify under the key: somebody changed it, or the key',
  malformed: 'an event of the journal is not understood',
  newer: 'an event of the journal was written by a newer postern: upgrade this one',
};

/** Counts the entries that were not taken, and says so without filling the log. */
export class Rejections {
  readonly #log: Log;
  readonly #seen = new Set<string>();
  readonly #counts: Record<Rejection, number> = { forged: 0, malformed: 0, newer: 0 };

  constructor(log: Log) {
    this.#log = log;
  }

  get total(): number {
    return this.#counts.forged + this.#counts.malformed + this.#counts.newer;
  }

  add(kind: Rejection, id: string): void {
    if (this.#seen.has(id)) return;
    if (this.#seen.size >= REMEMBERED) this.#seen.clear();
    this.#seen.add(id);
    this.#counts[kind] += 1;
    const count = this.#counts[kind];
    if (count % LOG_EVERY === 1) this.#log.warn({ id, rejected: count }, MESSAGES[kind]);
  }
}
