import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { reasonOf } from '../errors.js';
import type { LineSink } from './action-log.js';
import type { Log } from './types.js';

const MODE = 0o640;
/** Not blocking: a pipe put in the file's place must not stop the service. */
const FLAGS =
  constants.O_WRONLY |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NONBLOCK |
  constants.O_NOCTTY;

/**
 * `LogFile`: one line `[YYYY-MM-DD HH:MM] text` (local time) a call, appended and on its way to the
 * disk when the call returns. A file that cannot be written never stops the service: it is tried
 * again with the next line, and the service's own log is told once.
 */
export class LogFile implements LineSink {
  readonly #path: string;
  readonly #log: Log;
  readonly #wall: () => number;
  #fd: number | undefined;
  #failed = false;
  #closed = false;

  constructor(path: string, log: Log, wall: () => number = Date.now) {
    this.#path = path;
    this.#log = log;
    this.#wall = wall;
    this.#attempt(() => this.#open());
  }

  write(text: string): void {
    if (this.#closed) return;
    const line = Buffer.from(`[${minute(new Date(this.#wall()))}] ${text}\n`);
    this.#attempt(() => {
      const written = writeSync(this.#open(), line);
      if (written < line.length) throw new Error('the disk took only a part of a line');
      this.#failed = false;
    });
  }

  reopen(): void {
    this.#release();
    if (!this.#closed) this.#attempt(() => this.#open());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#release();
  }

  #open(): number {
    this.#fd ??= openSync(this.#path, FLAGS, MODE);
    return this.#fd;
  }

  #release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!this.#failed)
        this.#log.warn(
          { file: this.#path, reason: reasonOf(error) },
          'LogFile cannot be written: lines are lost until it can',
        );
      this.#failed = true;
    }
  }
}

/** `2026-01-31 09:05`, local time. */
function minute(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
