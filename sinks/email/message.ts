/** What an e-mail of postern is: its id, its headers, its parts, as bytes. */
import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { SinkCall } from '../types.js';
import type { Texts } from './texts.js';

export interface Mailbox {
  /** May be empty. */
  readonly name: string;
  readonly address: string;
}

/** `Night shift <ops@example.net>`, or an address alone, as the configuration has checked it. */
export function mailboxOf(text: string): Mailbox {
  const named = /^([^<]*)<([^<>]*)>$/.exec(text);
  return named === null
    ? { name: '', address: text }
    : { name: (named[1] ?? '').trim(), address: named[2] ?? '' };
}

/**
 * The same for the same calls of one sink, whenever and however often they are sent: servers and
 * mail programs show only one of two messages with one id. So a call more makes another id, or it
 * might never be seen.
 */
export function messageId(sink: string, calls: readonly SinkCall[], from: string): string {
  const what = JSON.stringify([sink, ...calls.map(namesOf)]);
  const digest = createHash('sha256').update(what).digest('hex').slice(0, 40);
  return `<${digest}@${from.slice(from.lastIndexOf('@') + 1)}>`;
}

/** Of one grant several things may fail, each for a reason of its own. */
function namesOf({ event, grant, reason }: SinkCall): readonly (string | undefined)[] {
  return [grant.id, event, reason];
}

export interface Envelope {
  readonly id: string;
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
}

/** The whole message (RFC 5322). The texts may hold anything: a header stays one header. */
export function compose(
  { id, from, to }: Envelope,
  calls: readonly SinkCall[],
  { subject, text, html }: Texts,
): Promise<Buffer> {
  const message = new MailComposer({
    from: { ...from },
    to: to.map((mailbox) => ({ ...mailbox })),
    subject,
    messageId: id,
    // When it happened, not when it was at last sent.
    date: new Date(Math.max(...calls.map(({ atMs }) => atMs))),
    headers: {
      // RFC 3834: nobody is to answer; Exchange has a header of its own for that.
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      // For rules of mail programs. Words of ours alone: no name of a door or grant is in a header.
      'X-Postern-Event': [...new Set(calls.map(({ event }) => event))].sort().join(', '),
    },
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    newline: 'win',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return message.compile().build();
}
