import { MessageChannel } from 'node:worker_threads';

/** What is smaller can wait for the garbage collection. */
const WORTH_BYTES = 65_536;
const { port1: toNobody, port2: nobody } = new MessageChannel();
nobody.close();

/**
 * Zeroed memory of its own, outside of malloc's heap: that keeps what is let go in its middle. A
 * buffer that could be resized is mapped on its own; none ever is.
 */
export function roomFor(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes, { maxByteLength: bytes });
}

/**
 * Gives a buffer's memory back at once. V8 would do so at its next full collection, which a process
 * that has little to do puts off for minutes. What is transferred in a message to nobody is freed.
 */
export function letGo(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH_BYTES) {
    toNobody.postMessage(undefined, [buffer]);
  }
}
