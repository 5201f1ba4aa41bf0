import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of the next bytes that go that way: passed on, or lost with the connection. */
export type Judge = (way: Way) => 'pass' | 'lose';

export type Way = 'request' | 'answer';

/** A wire to redis-server that breaks where its judge says. */
export class BadWire {
  judge: Judge = () => 'pass';
  breaks = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(upstream: string) {
    this.#server = createServer((client) => {
      const server = connect({ path: upstream });
      this.#join(client, server, 'request');
      this.#join(server, client, 'answer');
    });
  }

  async listen(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  /** Loses what goes that way next, and passes everything on after it. */
  loseNext(way: Way): void {
    this.judge = (found) => {
      if (found !== way) return 'pass';
      this.judge = () => 'pass';
      return 'lose';
    };
  }

  /** Breaks all connections now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(from: Socket, to: Socket, way: Way): void {
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', (data) => {
      if (this.judge(way) === 'pass') return to.write(data);
      this.breaks += 1;
      return from.destroy();
    });
  }
}
