/** Records on their way out of the sensor: many to a write, none waiting long (DESIGN 1). */
import type { ParsedFrame } from './parse.js';
import { encodeRecord, RECORD_BYTES } from './record.js';

const BATCH_RECORDS = 256;
/**
 * Every write wakes the core, which costs both more than the records: under a flood there are no more
 * than one or two writes a millisecond. A record after a quiet millisecond goes out at once.
 */
const MAX_WAIT_MS = 1;

export class RecordBatch {
  readonly #buffer = Buffer.alloc(BATCH_RECORDS * RECORD_BYTES);
  readonly #write: (bytes: Buffer) => void;
  #records = 0;
  #sinceMs = 0;
  #writtenMs = 0;
  #scheduled = false;

  readonly #now: () => number;

  /** @param write takes the bytes before it returns; the buffer is used again. */
  constructor(write: (bytes: Buffer) => void, now: () => number) {
    this.#write = write;
    this.#now = now;
  }

  /** Adds a record; it is written at the end of this turn of the event loop, or a moment later. */
  add(frame: ParsedFrame, atMs: number): void {
    encodeRecord(frame, atMs, this.#buffer, this.#records * RECORD_BYTES);
    this.#records += 1;
    if (this.#records === 1) this.#sinceMs = atMs;
    // `cap`'s poll loop may not end, and nothing scheduled runs: the time is looked at here too.
    const isFull = this.#records === BATCH_RECORDS;
    if (isFull || atMs - this.#sinceMs >= MAX_WAIT_MS) this.#flush(atMs);
    else if (!this.#scheduled) this.#schedule(atMs);
  }

  #flush(nowMs: number): void {
    if (this.#records === 0) return;
    const bytes = this.#buffer.subarray(0, this.#records * RECORD_BYTES);
    this.#records = 0;
    this.#writtenMs = nowMs;
    this.#write(bytes);
  }

  #schedule(nowMs: number): void {
    this.#scheduled = true;
    const flush = () => {
      this.#scheduled = false;
      this.#flush(this.#now());
    };
    // Not nextTick: that runs after every single frame.
    if (nowMs - this.#writtenMs >= MAX_WAIT_MS) setImmediate(flush);
    else setTimeout(flush, MAX_WAIT_MS);
  }
}
