import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { poll } from '../../support/poll.js';

/** What is answered: text, or nothing more on that connection, or its end in the middle. */
type Answer = string | 'hang' | 'reset';

/** By what the client did: connected, sent a command, or the content of a message. */
type Script = Partial<
  Record<
    'greeting' | 'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'content' | 'QUIT',
    Answer
  >
>;

const FINE: Script = {
  greeting: '220 mail.test ESMTP',
  EHLO: '250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN',
  AUTH: '235 fine',
  MAIL: '250 fine',
  RCPT: '250 fine',
  DATA: '354 go on',
  content: '250 taken',
};

/** SMTP without TLS, spoken by hand, down to what no proper server does. */
export class ScriptedServer {
  /** Commands and content, as they came. */
  heard = '';
  connections = 0;
  port = 0;
  readonly #script: Script;
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #open = new Set<Socket>();

  constructor(script: Script) {
    this.#script = { ...FINE, ...script };
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    // A server that listens on a TCP port has an address of that form.
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    socket.on('error', () => {});
    let isContent = false;
    let isStuck = false;
    let rest = '';
    const answer = (step: keyof Script): void => {
      const text = this.#script[step] ?? '502 no';
      isStuck = text === 'hang';
      if (text === 'reset') socket.resetAndDestroy();
      else if (!isStuck) socket.write(`${text}\r\n`);
    };
    socket.on('data', (chunk) => {
      this.heard += chunk.toString();
      rest += chunk.toString();
      // A reset in the middle of the content comes with its first bytes.
      if (isContent && this.#script.content === 'reset') return socket.resetAndDestroy();
      for (;;) {
        const end = rest.indexOf(isContent ? '\r\n.\r\n' : '\r\n');
        if (end < 0 || isStuck) return;
        const line = rest.slice(0, end);
        rest = rest.slice(end + (isContent ? 5 : 2));
        const step = (isContent ? 'content' : line.split(' ')[0]) as keyof Script;
        answer(step);
        isContent = step === 'DATA';
      }
    });
    answer('greeting');
  }

  async abandoned(): Promise<void> {
    await poll(() => this.#open.size === 0, 'the connection is closed', 3000);
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
