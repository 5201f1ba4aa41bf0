/** Why a message was not delivered, in words that hold no secret. */
import { escapeControls } from '../../config/diagnostics.js';
import { codeOf, connectionFailure } from '../connection-failure.js';

/** An attempt that failed. */
export class EmailFailure extends Error {
  override readonly name = 'EmailFailure';
  /** The message itself is refused: another attempt would say the same. */
  readonly isFinal: boolean;
  /** Somebody has to mend something first: trying again soon would only annoy the server. */
  readonly isLasting: boolean;

  constructor(message: string, { isFinal = false, isLasting = false } = {}) {
    super(message);
    this.isFinal = isFinal;
    this.isLasting = isLasting;
  }
}

/** The time of an attempt was over while this was going on. */
export class Overdue extends Error {
  readonly stage: string;

  constructor(stage: string) {
    super(stage);
    this.stage = stage;
  }
}

/** A reply of the server that is no success (RFC 5321, 4.2). */
export interface Reply {
  readonly code: number;
  /** `5.1.1` (RFC 3463); absent where the server gives none. */
  readonly enhanced?: string;
  /** One line of plain text. */
  readonly text: string;
}

/** Characters of what a server says. */
const MAX_TEXT = 200;

export function parseReply(response: string): Reply | undefined {
  const found = /^(\d{3})[ -]?(?:([245]\.\d{1,3}\.\d{1,3})(?:\s|$))?/.exec(response);
  if (found === null) return undefined;
  const [whole, code, enhanced] = found;
  // The further lines of a reply begin with both codes again.
  const text = response
    .slice(whole.length)
    .replace(/\r?\n\d{3}[ -]?(?:[245]\.\d{1,3}\.\d{1,3}(?=\s|$))?/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return {
    code: Number(code),
    ...(enhanced !== undefined && { enhanced }),
    text: cut(escapeControls(text)),
  };
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length > MAX_TEXT ? `${characters.slice(0, MAX_TEXT).join('')}…` : text;
}

/** What is known of the server when something fails. */
export interface FailureContext {
  /** `mail.example.net:587` */
  readonly target: string;
  readonly timeoutMs: number;
  /** What must not be shown in any form: the password. */
  readonly secrets: readonly string[];
}

/** A failed attempt, from what nodemailer or Node reported. */
export function failureFrom(error: unknown, context: FailureContext): EmailFailure {
  if (error instanceof EmailFailure) return error;
  const { target, timeoutMs } = context;
  if (error instanceof Overdue)
    return new EmailFailure(
      `${target} did not take the message within ${timeoutMs / 1000} s; it ended ${error.stage}`,
    );
  const { response, command = '', originalCode } = detailsOf(error);
  const kind = codeOf(error);
  const reply = response === undefined ? undefined : parseReply(response);
  if (command === 'STARTTLS' && reply !== undefined)
    return new EmailFailure(
      `${target} offers no STARTTLS (${codesOf(reply)}), and nothing is sent without: try tls = implicit`,
      { isLasting: true },
    );
  if (reply !== undefined) return refusal(reply, kind, command, context);
  if (kind === 'EMESSAGE')
    return new EmailFailure(`the message is larger than ${target} takes`, { isFinal: true });
  const code = originalCode ?? kind;
  const words = OWN_KINDS[code]?.(target) ?? connectionFailure(code, target);
  return new EmailFailure(`${words ?? `the session with ${target} failed`} (${code})`);
}

/** Codes of nodemailer's own. */
const OWN_KINDS: Readonly<Record<string, (target: string) => string>> = {
  ECONNECTION: (target) => `${target} closed the connection before it took the message`,
  ETLS: (target) => `TLS with ${target} failed`,
  EPROTOCOL: (target) => `what ${target} answered is not SMTP`,
  EAUTH: (target) => `user and password cannot be given to ${target} in a way that it takes`,
};

function refusal(
  reply: Reply,
  kind: string,
  command: string,
  { target, secrets }: FailureContext,
): EmailFailure {
  const isLasting = reply.code >= 500;
  // What is answered to AUTH may repeat what was sent.
  if (kind === 'EAUTH') {
    const why = isLasting ? 'refused user and password' : 'cannot check user and password now';
    return new EmailFailure(`${target} ${why} (${codesOf(reply)})`, { isLasting });
  }
  const to = command === '' || command === 'CONN' ? '' : ` to ${command}`;
  const said = `${target} answered ${codesOf(reply)}${to}${quoted(reply.text, secrets)}`;
  return new EmailFailure(said, { isLasting, isFinal: isAboutContent(reply, kind) });
}

function codesOf({ code, enhanced }: Reply): string {
  return enhanced === undefined ? String(code) : `${code} ${enhanced}`;
}

/** What the server says in words, unless a secret is in it, in the forms that SMTP sends it in. */
export function quoted(text: string, secrets: readonly string[]): string {
  if (text === '') return '';
  const forms = secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('base64')]);
  return forms.some((form) => text.includes(form)) ? '' : `: ${text}`;
}

/** Of RFC 3463: message content or media (x.6.x), message too big (5.2.3, 5.3.4). */
const CONTENT = /^5\.(6\.\d+|2\.3|3\.4)$/;

/**
 * Whether the message itself is refused, and not who sends it, whom it is for or what the server
 * thinks of us, which an operator may mend. Where the server gives no enhanced code: 552 and 554 as
 * the answer to the content (RFC 5321, 4.2.3).
 */
function isAboutContent({ code, enhanced }: Reply, kind: string): boolean {
  if (code < 500) return false;
  if (enhanced !== undefined) return CONTENT.test(enhanced);
  return kind === 'EMESSAGE' && (code === 552 || code === 554);
}

interface Details {
  readonly response?: string;
  readonly command?: string;
  readonly originalCode?: string;
}

/** What nodemailer adds to its errors. */
function detailsOf(error: unknown): Details {
  if (!(error instanceof Error)) return {};
  const text = (name: string): string | undefined => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === 'string' ? value : undefined;
  };
  const response = text('response');
  const command = text('command');
  const originalCode = text('originalCode');
  return {
    ...(response !== undefined && { response }),
    ...(command !== undefined && { command }),
    ...(originalCode !== undefined && { originalCode }),
  };
}
