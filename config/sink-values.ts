/** Readers of what sections of sinks say. No message quotes a URL: it may be a secret as a whole. */

import type { SinkEvent } from '../sinks/settings.js';
import { canonicalAddress } from './address.js';
import { indent, trim } from './lines.js';
import { bad, good, type Reading } from './reading.js';
import { nonEmpty, seconds } from './values.js';

export const ALL_EVENTS: readonly SinkEvent[] = ['open', 'close', 'failed'];

/** `open, failed`: what a sink is told of, in whatever order. */
export function sinkEvents(text: string): Reading<readonly SinkEvent[]> {
  const words = text.split(',').map((word) => trim(word).toLowerCase());
  if (words.every((word) => ALL_EVENTS.some((event) => event === word)))
    return good(ALL_EVENTS.filter((event) => words.includes(event)));
  return bad('takes one or more of: open, close, failed; separated by commas');
}

/** A file, by a path as `One_Time_Sequences` takes it. */
export const filePath = nonEmpty('the path of a file');

/** Seconds with decimals within bounds, both allowed. Gives milliseconds. */
export function secondsWithin(least: number, most: number): (text: string) => Reading<number> {
  return (text) => {
    const { value } = seconds(text);
    if (value !== undefined && value >= least * 1000 && value <= most * 1000) return good(value);
    return bad(`takes a number of seconds from ${least} to ${most}`);
  };
}

export function webhookUrl(text: string): Reading<string> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return bad('takes a URL such as https://hooks.example.net/postern');
  if (/\s/.test(text)) return bad('takes a URL alone; a comment needs a line of its own');
  if (text.includes('#')) return bad('takes a URL without a #: what follows it is never sent');
  return good(text);
}

/** What the URL of a mail server says. */
export interface MailServer {
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
  /** `smtps`: TLS from the first byte. */
  readonly isImplicit: boolean;
}

const A_SERVER = 'takes a URL such as smtp://mail.example.net:587 or smtps://mail.example.net';

export function mailServer(text: string): Reading<MailServer> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^smtps?:$/.test(url.protocol)) return bad(A_SERVER);
  if (url.password !== '')
    return bad(
      'must hold no password; remove it, and name a file with it alone: password_file = FILE',
    );
  const host = hostOf(url.hostname);
  const user = decoded(url.username);
  const isBare = /^\/?$/.test(url.pathname) && url.search === '' && url.hash === '';
  if (host === undefined || user === undefined || !isBare || url.port === '0') return bad(A_SERVER);
  return good({
    host,
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(user !== '' && { user }),
    isImplicit: url.protocol === 'smtps:',
  });
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export function mailHost(text: string): Reading<string> {
  const host = hostOf(text);
  return host === undefined ? bad('takes a host name or an address, alone') : good(host);
}

/** Without the brackets that an IPv6 address has in a URL. */
function hostOf(text: string): string | undefined {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const isName = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/.test(bare);
  return canonicalAddress(bare) ?? (isName ? bare : undefined);
}

/** Whether it is this host itself by its very name; no name is resolved. */
export function isLoopback(host: string): boolean {
  const address = canonicalAddress(host);
  if (address === undefined) return /^localhost\.?$/i.test(host);
  return address === '::1' || address.startsWith('127.');
}

const ADDRESS = String.raw`[^\s\p{Cc}\p{Zl}\p{Zp}@<>()[\]\\,;:"]+`;
const BARE = new RegExp(`^${ADDRESS}@${ADDRESS}$`, 'u');
/** `Night shift <ops@example.net>` */
const NAMED = new RegExp(
  String.raw`^[^\p{Cc}\p{Zl}\p{Zp}@<>\\,;:"]*<(${ADDRESS}@${ADDRESS})>$`,
  'u',
);

/** RFC 5321, 4.5.3.1.3: a path has 256 octets, its brackets among them. */
const MAX_ADDRESS = 254;

function isMailbox(text: string): boolean {
  const address = BARE.test(text) ? text : NAMED.exec(text)?.[1];
  return address !== undefined && address.length <= MAX_ADDRESS && text.length <= 2 * MAX_ADDRESS;
}

export function mailbox(text: string): Reading<string> {
  if (isMailbox(text)) return good(text);
  return bad('takes an address such as postern@example.net or Postern <postern@example.net>');
}

const MAX_RECIPIENTS = 50;

export function mailboxes(text: string): Reading<readonly string[]> {
  const found: string[] = [];
  let start = 0;
  for (const [index, token] of text.split(',').entries()) {
    const entry = trim(token);
    const takes = 'takes addresses such as ops@example.net, separated by commas';
    if (!isMailbox(entry))
      return bad(`${takes}; there is none at entry ${index + 1}`, start + indent(token));
    found.push(entry);
    start += token.length + 1;
  }
  if (found.length > MAX_RECIPIENTS) return bad(`takes ${MAX_RECIPIENTS} addresses at most`);
  return good([...new Set(found)]);
}
