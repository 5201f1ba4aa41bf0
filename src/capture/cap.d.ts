/** The part of npm `cap` 0.2.1 that postern uses; read from its lib/Cap.js and src/binding.cc. */
declare module 'cap' {
  import type { EventEmitter } from 'node:events';

  /**
   * One open capture. It must stay referenced for the life of the process, also once closed: its
   * poll handle is stopped but never removed from the event loop, so collecting it corrupts the loop.
   */
  interface Cap extends EventEmitter {
    /**
     * Opens the device and gives the link type's name. The buffer receives every frame and must
     * outlive the capture. Throws what libpcap says; the object is then of no further use.
     */
    open(device: string, filter: string, bufferBytes: number, frame: Buffer): string;
    close(): boolean;
    send(frame: Buffer, length?: number): void;
    on(event: 'packet', listener: (bytes: number, truncated: boolean) => void): this;
  }

  const cap: { readonly Cap: new () => Cap };
  export default cap;
}
