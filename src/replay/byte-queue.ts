/** Bytes of a stream, taken in pieces of exact length; never holds more than one piece asks for. */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #taken = 0;

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#taken;
  }

  /** The next bytes if they have arrived already, without waiting. */
  takeNow(length: number): Buffer | undefined {
    const end = this.#at + length;
    if (end > this.#buffer.length) return undefined;
    const piece = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    this.#taken += length;
    return piece;
  }

  /** The next bytes; fewer only at the end of the stream. */
  async take(length: number): Promise<Buffer> {
    const ready = this.takeNow(length);
    if (ready !== undefined) return ready;
    const parts: Uint8Array[] = [this.#buffer.subarray(this.#at)];
    let have = this.#buffer.length - this.#at;
    while (have < length) {
      const next = await this.#source.next();
      if (next.done) break;
      parts.push(next.value);
      have += next.value.length;
    }
    this.#buffer = Buffer.concat(parts);
    this.#at = 0;
    return this.takeNow(Math.min(length, have)) ?? Buffer.alloc(0);
  }
}
