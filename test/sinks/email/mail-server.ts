import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import { poll } from '../../support/poll.js';
import type { Certificates } from '../webhook/certificates.js';

/** A message that the server took. */
export interface Taken {
  readonly raw: string;
  readonly parsed: Email;
  readonly from: string;
  readonly to: readonly string[];
  readonly isSecure: boolean;
  readonly user: string | undefined;
}

export const USER = 'postern';
export const PASSWORD = 'pass-19bd ü';

/** Refusals as a server writes them: `450 4.2.1 try later`. What is not given is taken. */
export interface Refusals {
  mail?: string;
  /** By address. */
  rcpt?: Record<string, string>;
  /** The answer to the content. */
  data?: string;
}

/** smtp-server(npm), which keeps what it is sent. */
export class MailServer {
  readonly taken: Taken[] = [];
  /** Messages whose content was sent, taken or not. */
  readonly contents: string[] = [];
  readonly passwords: string[] = [];
  connections = 0;
  sessionsEnded = 0;
  port = 0;
  refusals: Refusals = {};
  readonly #server: SMTPServer;
  readonly #open = new Set<Socket>();

  constructor({ key, cert }: Certificates, options: SMTPServerOptions = {}) {
    this.#server = new SMTPServer({
      key,
      cert,
      authOptional: true,
      disableReverseLookup: true,
      logger: false,
      closeTimeout: 100,
      onAuth: (auth, _session, done) => {
        const { username } = auth;
        const password = auth.password ?? '';
        this.passwords.push(password);
        if (username === USER && password === PASSWORD) done(null, { user: username });
        else done(null, { message: `no ${password} ${Buffer.from(password).toString('base64')}` });
      },
      onMailFrom: (_address, _session, done) => done(refusal(this.refusals.mail)),
      onRcptTo: ({ address }, _session, done) => done(refusal(this.refusals.rcpt?.[address])),
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.once('end', () => {
          void this.#take(Buffer.concat(chunks), session).then(done);
        });
      },
      onClose: () => {
        this.sessionsEnded += 1;
      },
      ...options,
    });
    // A client that does not trust us hangs up; that is its right.
    this.#server.on('error', () => {});
    this.#server.server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  async #take(raw: Buffer, session: SMTPServerSession): Promise<Error | null> {
    this.contents.push(raw.toString());
    const refused = refusal(this.refusals.data);
    if (refused !== null) return refused;
    const { mailFrom, rcptTo } = session.envelope;
    this.taken.push({
      raw: raw.toString(),
      parsed: await PostalMime.parse(raw),
      from: mailFrom === false ? '' : mailFrom.address,
      to: rcptTo.map(({ address }) => address),
      isSecure: session.secure,
      user: typeof session.user === 'string' ? session.user : undefined,
    });
    return null;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server.server, 'listening');
    // A server that listens on a TCP port has an address of that form.
    this.port = (this.#server.server.address() as AddressInfo).port;
    return this;
  }

  /** All sessions that began are over. (A socket below TLS tells smtp-server alone.) */
  async abandoned(): Promise<void> {
    await poll(() => this.sessionsEnded === this.connections, 'the sessions end', 3000);
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function refusal(reply: string | undefined): Error | null {
  if (reply === undefined) return null;
  const [code = '', ...words] = reply.split(' ');
  return Object.assign(new Error(words.join(' ')), { responseCode: Number(code) });
}
