import { MessageChannel } from 'node:worker_threads';

/** What is smaller can wait for the garbage collection. */
const WORTH_BYTES = 65_536;
const { port1: toNobody, port2: nobody } = new MessageChannel();
nobody.close();

/**
 * Gives a buffer's memory back at once. V8 would do so at its next full collection, which a process
 * that has little to do puts off for minutes. What is transferred in a message to nobody is freed.
 */
export function letGo(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH_BYTES) {
    toNobody.postMessage(undefined, [buffer]);
  }
}
