/** One HTTP request: a connection of its own, no redirects, bounded in time and size. */
import { type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { LookupFunction, TcpSocketConnectOpts } from 'node:net';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import type { Target } from './target.js';

export interface Post {
  readonly target: Target;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Over everything: resolving, connecting, TLS, the whole answer. */
  readonly timeoutMs: number;
  readonly lookup: LookupFunction;
  /** Whom to trust; for http, nobody is asked. */
  readonly secureContext?: SecureContext;
}

export interface Answer {
  readonly status: number;
  readonly retryAfter?: string;
}

/** Nothing, or not all of an answer, came within the time. */
export class Overdue extends Error {}

/** What of an answer is read; nothing of it is used. */
const MAX_ANSWER_BYTES = 65_536;

/** An address that does not answer is given up for the next one of its name. */
const MAX_ADDRESS_MS = 2_000;

/**
 * Sends it, and resolves with the answer when all of it, or enough, is there.
 * @throws Overdue; what the signal was aborted with, at once; otherwise what Node says
 */
export function post(what: Post, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const send = what.target.isTls ? requestTls : requestPlain;
    let isOver = false;
    // A request that was just made gets its socket a tick later, and so does its end: an address
    // that is known only now would still be connected to.
    const lookup: LookupFunction = (hostname, options, callback) =>
      what.lookup(hostname, options, (error, address, family) =>
        callback(isOver ? new Error('over') : error, address, family),
      );
    const sent = send(optionsOf(what, lookup));
    const end = (): void => {
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      sent.destroy();
    };
    // Whatever is reported after the first outcome is about a connection that we have ended.
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    const cancel = (): void => fail(signal.reason);
    const timer = setTimeout(() => fail(new Overdue()), what.timeoutMs);
    signal.addEventListener('abort', cancel);
    sent.on('error', fail);
    // Also after `101 Switching Protocols`, which Node answers by hanging up.
    sent.once('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    sent.once('response', (response) => {
      let left = MAX_ANSWER_BYTES;
      const done = (): void => {
        const retryAfter = response.headers['retry-after'];
        end();
        resolve({
          // Node gives every answer to a request of ours a status.
          status: response.statusCode ?? 0,
          ...(retryAfter !== undefined && { retryAfter }),
        });
      };
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left <= 0) done();
      });
      response.once('end', done);
    });
    sent.end(what.body);
  });
}

/** What Node passes on to the socket, which its types of a request do not name. */
type SocketOptions = Pick<
  TcpSocketConnectOpts,
  'autoSelectFamily' | 'autoSelectFamilyAttemptTimeout'
> &
  Pick<ConnectionOptions, 'secureContext' | 'rejectUnauthorized'>;

function optionsOf(
  { target, headers, body, timeoutMs, secureContext }: Post,
  lookup: LookupFunction,
): RequestOptions {
  const options: RequestOptions & SocketOptions = {
    method: 'POST',
    hostname: target.hostname,
    port: target.port,
    path: target.path,
    headers: { ...headers, 'content-length': String(body.length) },
    // A connection of its own: none that was kept may be to an address that was not checked.
    agent: false,
    lookup,
    // Node's own 250 ms are less than a connection over a satellite takes.
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: Math.max(
      10,
      Math.min(MAX_ADDRESS_MS, Math.floor(timeoutMs / 3)),
    ),
    // Not to be switched off by NODE_TLS_REJECT_UNAUTHORIZED in somebody's environment.
    rejectUnauthorized: true,
    ...(target.auth !== undefined && { auth: target.auth }),
    ...(secureContext !== undefined && { secureContext }),
  };
  return options;
}
