/**
 * The sensor's end of the pipe to the core. A core that is busy for a moment must not hold the sensor
 * back: the kernel's ring holds a few dozen frames, what waits here holds a fifth of a second of
 * 100,000 packets each. What is older than that is no use to anybody.
 */
import { writeSync } from 'node:fs';

const MOST_WAITING_BYTES = 1024 * 1024;
const AGAIN_MS = 1;

export interface OutletOptions {
  /** Writes what it can and says how much that was: 0 when there is no room now. */
  readonly write: (bytes: Buffer) => number;
  /** Told how many bytes were dropped, always whole batches. */
  readonly onDropped: (bytes: number) => void;
}

export class Outlet {
  readonly #options: OutletOptions;
  readonly #waiting = Buffer.alloc(MOST_WAITING_BYTES);
  #from = 0;
  #to = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** Takes the bytes before it returns, in order, or drops all of them. */
  send(bytes: Buffer): void {
    if (this.#from < this.#to) this.#flush();
    if (this.#from < this.#to) {
      this.#keep(bytes, bytes.length);
      return;
    }
    const written = this.#options.write(bytes);
    // The rest of a batch that has begun is always kept: nothing else waits.
    if (written < bytes.length) this.#keep(bytes.subarray(written), bytes.length);
  }

  #keep(rest: Buffer, batchBytes: number): void {
    if (this.#to + rest.length > MOST_WAITING_BYTES) this.#moveUp();
    if (this.#to + rest.length > MOST_WAITING_BYTES) {
      this.#options.onDropped(batchBytes);
      return;
    }
    this.#to += rest.copy(this.#waiting, this.#to);
    this.#again();
  }

  #again(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
      if (this.#from < this.#to) this.#again();
    }, AGAIN_MS);
  }

  #flush(): void {
    while (this.#from < this.#to) {
      const written = this.#options.write(this.#waiting.subarray(this.#from, this.#to));
      if (written === 0) return;
      this.#from += written;
    }
    this.#from = 0;
    this.#to = 0;
  }

  #moveUp(): void {
    this.#waiting.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
  }
}

/** For a descriptor that does not block. */
export function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}
