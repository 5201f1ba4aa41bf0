/**
 * One session of SMTP for one message: resolve, connect, TLS, authenticate, send, quit. Bounded in
 * time as a whole, and ended at once, at any stage, when the signal aborts.
 */
import { connect, isIP, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection';
import { isLoopback } from '../../config/sink-values.js';
import type { Resolve } from '../resolve.js';
import { EmailFailure, Overdue } from './failure.js';

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls' | 'off';
  /** Whom to trust; without TLS nobody is asked. */
  readonly secureContext?: SecureContext;
  readonly auth?: { readonly user: string; readonly password: string };
}

export interface Submission {
  /** Bare addresses. */
  readonly from: string;
  readonly to: readonly string[];
  /** All of the message, with its headers. */
  readonly raw: Buffer;
}

export interface Limits {
  readonly resolve: Resolve;
  /** Over everything, milliseconds. */
  readonly timeoutMs: number;
}

/** What became of each recipient. */
export interface Outcome {
  readonly accepted: readonly string[];
  /** Errors, each with its `recipient`. */
  readonly refused: readonly (Error & { readonly recipient?: string | undefined })[];
}

/** An address that does not answer is given up for the next one of its name, milliseconds. */
const MAX_ADDRESS_MS = 5_000;

/** How long the server has to say good-bye after it took the message, milliseconds. */
const QUIT_MS = 2_000;

/**
 * Resolves when the server has taken the message for at least one recipient.
 * @throws Overdue; EmailFailure; what the signal was aborted with, at once; otherwise what Node or
 *   nodemailer says
 */
export async function submit(
  server: Server,
  what: Submission,
  { resolve, timeoutMs }: Limits,
  signal: AbortSignal,
): Promise<Outcome> {
  signal.throwIfAborted();
  const session = new Session(server, resolve);
  let cut: (reason: unknown) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    cut = reject;
  });
  const cancel = (): void => cut(signal.reason);
  const timer = setTimeout(() => cut(new Overdue(session.stage)), timeoutMs);
  signal.addEventListener('abort', cancel);
  try {
    return await Promise.race([session.send(what), ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    session.end();
  }
}

/** One step of a session: ends as it says, or with the end of the session. */
type Attempt = <T>(
  run: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
) => Promise<T>;

class Session {
  readonly #server: Server;
  readonly #resolve: Resolve;
  #socket: Socket | undefined;
  #isOver = false;
  #isQuitting = false;
  /** What is going on, as it is said when it takes too long. */
  stage = '';

  constructor(server: Server, resolve: Resolve) {
    this.#server = server;
    this.#resolve = resolve;
  }

  async send({ from, to, raw }: Submission): Promise<Outcome> {
    const socket = await this.#connect();
    const connection = new SMTPConnection(this.#options(socket));
    // Some ends are told to the callback of what is under way, others only as an event.
    const failed = new Promise<never>((_, reject) => {
      connection.on('error', reject);
      connection.on('end', () => reject(closed()));
    });
    failed.catch(() => {});
    const attempt: Attempt = (run) => Promise.race([new Promise(run), failed]);

    this.stage = 'in the greeting or in the TLS handshake';
    await attempt<void>((resolve, reject) =>
      connection.connect((error) => (error ? reject(error) : resolve())),
    );
    await this.#authenticate(connection, attempt);
    this.stage = 'while the message was sent';
    const envelope = { from, to: [...to], size: raw.length };
    const sent = await attempt<Outcome>((resolve, reject) =>
      connection.send(envelope, raw, (error, info) => {
        // Refused by all or by some: either way each has an error of its own.
        const refused = (error ?? info).rejectedErrors ?? [];
        if (error !== null && refused.length === 0) reject(error);
        else resolve({ accepted: error === null ? info.accepted : [], refused });
      }),
    );
    this.#quit(connection, socket);
    return sent;
  }

  end(): void {
    this.#isOver = true;
    if (!this.#isQuitting) this.#socket?.destroy();
  }

  /** A connection to an address that was looked at before anything was sent to it. */
  async #connect(): Promise<Socket> {
    const { host, port, tls } = this.#server;
    this.stage = 'while the name was resolved';
    const family = isIP(host);
    const addresses = family === 0 ? await this.#resolve(host) : [{ address: host, family }];
    const [first] = addresses;
    if (first === undefined) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
    const foreign = addresses.find(({ address }) => !isLoopback(address));
    if (tls === 'off' && foreign !== undefined) {
      const why = `${host} has the address ${foreign.address}, which is not of this host alone`;
      throw new EmailFailure(`tls = off, and ${why}: nothing was sent`, { isLasting: true });
    }
    this.stage = 'while it connected';
    return await new Promise((resolve, reject) => {
      // Cancelled while the name was resolved.
      if (this.#isOver) return reject(closed());
      const socket = connect({
        host,
        port,
        // What was looked at is what is connected to.
        lookup: (_name, options, callback) => {
          if (options.all === true) callback(null, [...addresses]);
          else callback(null, first.address, first.family);
        },
        // Node's own 250 ms are less than a connection over a satellite takes.
        autoSelectFamily: true,
        autoSelectFamilyAttemptTimeout: MAX_ADDRESS_MS,
      });
      this.#socket = socket;
      // It stays: whatever goes wrong later is told by nodemailer, or nobody's concern any more.
      socket.on('error', reject);
      socket.once('connect', () => resolve(socket));
    });
  }

  #options(connection: Socket): SMTPConnectionOptions {
    const { host, port, tls, secureContext } = this.#server;
    return {
      connection,
      host,
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'off',
      // Not to be switched off by NODE_TLS_REJECT_UNAUTHORIZED in somebody's environment.
      tls: { rejectUnauthorized: true, ...(secureContext !== undefined && { secureContext }) },
      // Far more than any reply.
      maxResponseSize: 65_536,
    };
  }

  async #authenticate(connection: SMTPConnection, attempt: Attempt): Promise<void> {
    const { host, port, auth } = this.#server;
    if (auth === undefined) return;
    if (!connection.allowsAuth) {
      const advice = 'remove user and password_file, or use another port of it';
      throw new EmailFailure(`${host}:${port} lets nobody authenticate: ${advice}`, {
        isLasting: true,
      });
    }
    this.stage = 'while user and password were checked';
    await attempt<void>((resolve, reject) =>
      connection.login({ user: auth.user, pass: auth.password }, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  }

  /** The message is taken: what happens from here on is nobody's concern, and holds up nothing. */
  #quit(connection: SMTPConnection, socket: Socket): void {
    this.#isQuitting = true;
    connection.quit();
    const timer = setTimeout(() => socket.destroy(), QUIT_MS).unref();
    socket.once('close', () => clearTimeout(timer));
    socket.unref();
  }
}

function closed(): Error {
  return Object.assign(new Error('closed'), { code: 'ECONNECTION' });
}
