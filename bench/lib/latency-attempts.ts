/**
 * Connections tried one after the other, each from a fresh port, until one is answered: a packet that
 * a firewall dropped is sent again by the kernel only after a second, which would hide everything.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** What a delay is exact to, on top of the kernel's timer slack; timers of Node wait 1 ms at least. */
export const EVERY_MS = 0.25;
/** An open port answers in a tenth of this. */
const SHUT_MS = 5;

const TICKER = `
const { parentPort, workerData: { gate, everyMs } } = require('node:worker_threads');
const isOpen = new Int32Array(gate);
const never = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  Atomics.wait(isOpen, 0, 0);
  parentPort.postMessage(0);
  Atomics.wait(never, 0, 0, everyMs);
}`;

export class Attempts {
  readonly #gate = new Int32Array(new SharedArrayBuffer(4));
  readonly #ticker: Worker;

  constructor(
    private readonly host: string,
    private readonly port: number,
  ) {
    const workerData = { gate: this.#gate.buffer, everyMs: EVERY_MS };
    this.#ticker = new Worker(TICKER, { eval: true, workerData });
  }

  /** @throws Error when a connection from there succeeds */
  async mustBeShut(source: string): Promise<void> {
    let isUp = false;
    const socket = this.#attempt(source, () => {
      isUp = true;
    });
    await sleep(SHUT_MS);
    end(socket);
    if (isUp) throw new Error(`${source} could connect before it had knocked`);
  }

  /** Milliseconds of this process's clock at the first that is answered, or when it gives up. */
  succeed(source: string, withinMs: number): Promise<number> {
    const sockets: Socket[] = [];
    const endMs = performance.now() + withinMs;
    return new Promise((resolve) => {
      const finish = () => {
        const atMs = performance.now();
        Atomics.store(this.#gate, 0, 0);
        this.#ticker.removeAllListeners('message');
        for (const socket of sockets) end(socket);
        resolve(atMs);
      };
      this.#ticker.on('message', () => {
        if (performance.now() > endMs) finish();
        else sockets.push(this.#attempt(source, finish));
      });
      Atomics.store(this.#gate, 0, 1);
      Atomics.notify(this.#gate, 0);
    });
  }

  async stop(): Promise<void> {
    await this.#ticker.terminate();
  }

  #attempt(source: string, onUp: () => void): Socket {
    const socket = connect({ host: this.host, port: this.port, localAddress: source });
    // A refusal or a missing address is no answer that could be waited for: it ends the probe.
    socket.once('error', (error) => {
      throw error;
    });
    return socket.once('connect', onUp);
  }
}

/** Reset, so that no port waits; a socket that still connects would only be reset once it is up. */
function end(socket: Socket): void {
  socket.removeAllListeners('connect');
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
