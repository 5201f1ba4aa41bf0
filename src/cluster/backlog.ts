import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../errors.js';
import type { JournalEvent } from '../journal/events.js';
import { compareIds } from '../journal/ids.js';
import type { Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';

/** So many events are kept in memory; further ones are counted, and read again when it is their turn. */
const KEPT = 1000;
const AGAIN_MS = 500;

export interface BacklogOptions {
  readonly journal: Pick<Journal, 'read' | 'follow'>;
  /** Events of other hosts are none of ours. */
  readonly host: string;
  readonly log: Log;
  /** An event was added. */
  readonly onEvent: () => void;
}

/**
 * The events of a host's own journal behind a place in it, counted as they are appended, in a bounded
 * memory. It has one user, who looks at the first of them, drops them, or moves to another place.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  #after: string | undefined;
  #events: JournalEvent[] = [];
  #count = 0;
  /** The last event that was counted. */
  #tip: string | undefined;
  /** What was counted last is not in `#events`. */
  #hasGap = false;
  #following: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** How many events there are. */
  get count(): number {
    return this.#count;
  }

  /** The place behind which they are; undefined: the beginning of the journal. */
  get after(): string | undefined {
    return this.#after;
  }

  get isStarted(): boolean {
    return this.#following !== undefined;
  }

  /** Starts, or goes on from another place. */
  moveTo(after: string | undefined): void {
    if (this.isStarted && after === this.#after) return;
    const index = this.#events.findIndex(({ id }) => id === after);
    if (this.isStarted && index >= 0) {
      this.drop(index + 1);
      return;
    }
    this.#following?.stop.abort();
    this.#after = after;
    this.#events = [];
    this.#count = 0;
    this.#tip = undefined;
    this.#hasGap = false;
    const stop = new AbortController();
    this.#following = { stop, ended: this.#follow(after, stop.signal) };
  }

  /** The first events, in order, at most `most` of them. They stay until they are dropped. */
  async first(most: number): Promise<readonly JournalEvent[]> {
    if (this.#events.length === 0 && this.#hasGap) await this.#fill();
    return this.#events.slice(0, most);
  }

  /** Goes on behind the first `count` of those that `first` gave. */
  drop(count: number): void {
    const dropped = this.#events.splice(0, count);
    this.#after = dropped.at(-1)?.id ?? this.#after;
    this.#count -= dropped.length;
  }

  async stop(): Promise<void> {
    this.#following?.stop.abort();
    await this.#following?.ended;
    this.#following = undefined;
  }

  /** Never rejects. */
  async #follow(after: string | undefined, signal: AbortSignal): Promise<void> {
    const { journal, log } = this.#options;
    let last = after;
    let hasFailed = false;
    while (!signal.aborted) {
      try {
        for await (const event of journal.follow({ ...from(last), signal })) {
          if (signal.aborted) return;
          last = event.id;
          this.#add(event);
        }
      } catch (error) {
        if (!hasFailed) log.warn({ reason: reasonOf(error) }, 'the journal cannot be followed');
        hasFailed = true;
      }
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #add(event: JournalEvent): void {
    if (event.host !== this.#options.host) return;
    this.#count += 1;
    this.#tip = event.id;
    if (this.#events.length >= KEPT) this.#hasGap = true;
    if (!this.#hasGap) this.#events.push(event);
    this.#options.onEvent();
  }

  /** Reads again what was counted and not kept. */
  async #fill(): Promise<void> {
    const { journal, host } = this.#options;
    const tipBefore = this.#tip;
    const events: JournalEvent[] = [];
    let last = this.#after;
    for await (const event of journal.read(from(this.#after))) {
      // What is not counted yet comes by `#follow`.
      if (this.#tip === undefined || compareIds(event.id, this.#tip) > 0) break;
      last = event.id;
      if (event.host === host) events.push(event);
      if (events.length >= KEPT) break;
    }
    this.#events = events;
    // An event that was counted may have been trimmed away: then the last one is never read.
    const isWhole = events.length < KEPT && this.#tip === tipBefore;
    if (!isWhole && this.#tip !== last) return;
    this.#hasGap = false;
    this.#count = events.length;
  }
}

function from(after: string | undefined): { readonly after?: string } {
  return after === undefined ? {} : { after };
}
