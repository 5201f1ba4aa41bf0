/** Records on their way out of the sensor: many to a write, none waiting long (DESIGN 1). */
import type { ParsedFrame } from './parse.js';
import { encodeRecord, RECORD_BYTES } from './record.js';

const BATCH_RECORDS = 256;
/** Under a flood `cap`'s poll loop may not end, and nothing scheduled runs: time is looked at. */
const MAX_WAIT_MS = 1;

export class RecordBatch {
  readonly #buffer = Buffer.alloc(BATCH_RECORDS * RECORD_BYTES);
  readonly #write: (bytes: Buffer) => void;
  #records = 0;
  #sinceMs = 0;
  #scheduled = false;

  /** @param write takes the bytes before it returns; the buffer is used again. */
  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  /** Adds a record; it is written at the end of this turn of the event loop, or before. */
  add(frame: ParsedFrame, atMs: number): void {
    encodeRecord(frame, atMs, this.#buffer, this.#records * RECORD_BYTES);
    this.#records += 1;
    if (this.#records === 1) this.#sinceMs = atMs;
    if (this.#records === BATCH_RECORDS || atMs - this.#sinceMs >= MAX_WAIT_MS) this.flush();
    else this.#schedule();
  }

  flush(): void {
    if (this.#records === 0) return;
    const bytes = this.#buffer.subarray(0, this.#records * RECORD_BYTES);
    this.#records = 0;
    this.#write(bytes);
  }

  /** Not nextTick: that runs after every single frame. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }
}
