import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { poll } from '../../support/poll.js';

/** One request, as it came. */
export interface Received {
  /** `POST /path?query HTTP/1.1` */
  readonly line: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What to do with the connection when a request is there; the whole request was read. */
export type Behaviour = (socket: Socket, request: Received) => void;

/** An answer with a status, headers and a body. */
export function answers(status: string, headers: readonly string[] = [], body = ''): Behaviour {
  const head = [`HTTP/1.1 ${status}`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers];
  return (socket) => socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * A receiver of webhooks that misbehaves on command, down to the bytes: HTTP is spoken by hand.
 * The first request gets the first behaviour, and all after the last one get the last.
 */
export class Receiver {
  readonly requests: Received[] = [];
  connections = 0;
  /** Also when it listens no more. */
  port = 0;
  behaviours: Behaviour[] = [answers('204 No Content')];
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(tls?: { readonly key: Buffer; readonly cert: Buffer }) {
    this.#server = tls === undefined ? createServer() : createTlsServer(tls);
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      this.#read(socket),
    );
  }

  async listen(address = '127.0.0.1', port = 0): Promise<this> {
    this.#server.listen(port, address);
    await once(this.#server, 'listening');
    // A server that listens on a TCP port has an address of that form.
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Nobody is connected any more. */
  async abandoned(): Promise<void> {
    await poll(() => this.#open.size === 0, 'the connection is closed', 2000);
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #read(socket: Socket): void {
    let text = Buffer.alloc(0);
    // Who misbehaves is left by the other side.
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      text = Buffer.concat([text, chunk]);
      const request = parsed(text);
      if (request === undefined) return;
      this.requests.push(request);
      const behaviour = this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0];
      behaviour?.(socket, request);
    });
  }
}

function parsed(bytes: Buffer): Received | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [line = '', ...lines] = bytes.subarray(0, end).toString().split('\r\n');
  const headers = Object.fromEntries(
    lines.map((header) => {
      const colon = header.indexOf(':');
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }),
  );
  const body = bytes.subarray(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return undefined;
  return { line, headers, body: body.toString() };
}
