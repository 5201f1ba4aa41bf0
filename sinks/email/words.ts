/** What an e-mail says of calls, apart from how it looks. Nothing here is escaped yet. */
import { isoTime, templateValues } from '../template.js';
import type { SinkCall } from '../types.js';

/** Calls that one message shows; of more, only how many. */
export const MAX_CALLS = 100;

/** Characters of a subject: what mail programs show, and more. */
const MAX_SUBJECT = 150;
/** Characters of a door's name in a sentence. */
const MAX_NAME = 60;

export function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most).join('')}…` : text;
}

/**
 * One line, bounded, whatever it was made of. What looks like an encoded word (RFC 2047) would be
 * decoded by who reads it, to anything at all, so its beginning is shown escaped.
 */
export function subjectOf(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return cut(line.replaceAll('=?', '\\u003d?'), MAX_SUBJECT);
}

const DONE = { open: 'opened', close: 'closed', failed: 'FAILED' } as const;
const KINDS = ['failed', 'open', 'close'] as const;

/** `2 FAILED, 12 opened` */
export function countsOf(calls: readonly SinkCall[]): string {
  return KINDS.flatMap((kind) => {
    const count = calls.filter(({ event }) => event === kind).length;
    return count === 0 ? [] : [`${count} ${DONE[kind]}`];
  }).join(', ');
}

/** What happened, in a few words; TEST before it when nobody knocked. */
export function headlineOf(calls: readonly SinkCall[]): string {
  const [first] = calls;
  if (first === undefined) return '';
  const { door, source, host } = first.grant;
  const name = `door ${cut(door, MAX_NAME)}`;
  const what =
    calls.length > 1
      ? `${name}: ${countsOf(calls)}`
      : `${name} ${DONE[first.event]} for ${source} on ${cut(host, MAX_NAME)}`;
  return isTest(calls) ? `TEST: ${what}` : what;
}

/** Whether nobody knocked for any of it. */
export function isTest(calls: readonly SinkCall[]): boolean {
  return calls.every(({ grant }) => grant.isTest === true);
}

/** What is known of one call, in the order it is shown. */
export function factsOf(call: SinkCall): readonly (readonly [label: string, value: string])[] {
  const { event, grant } = call;
  const { reason, summary: _, ...values } = templateValues(call);
  return [
    ...(reason === '' ? [] : [['Reason', reason] as const]),
    ['Event', DONE[event]],
    ['Door', cut(grant.door, 200)],
    ['Source', values.source],
    ['Host', cut(grant.host, 200)],
    ['When', values.at],
    ...(event === 'open' ? [['Until', untilOf(call)] as const] : []),
    ['Grant', cut(values.grant, 200)],
  ];
}

/** Until when it is open, ISO 8601 in UTC; empty where that means nothing. */
export function untilOf({ event, grant }: SinkCall): string {
  if (event !== 'open') return '';
  return grant.untilMs === null ? 'it is closed by hand' : isoTime(grant.untilMs);
}

export interface Advice {
  readonly meaning: string;
  readonly steps: readonly (readonly [what: string, command: string])[];
}

/** Of failures: what they may mean, and what to do. */
export function adviceOf(failures: readonly SinkCall[]): Advice | undefined {
  const [first] = failures;
  if (first === undefined) return undefined;
  const { door, source, host } = first.grant;
  const isOne = failures.length === 1;
  const isOneDoor = failures.every(({ grant }) => grant.door === door);
  // To be copied into a shell of root's: a name that would need quotes is not put in.
  const name = isOneDoor && /^\w[\w.-]{0,59}$/.test(door) ? door : 'DOOR';
  return {
    meaning:
      'Either the door did not open, and whoever knocked cannot get in; or it did not close, and it ' +
      'MAY STILL BE OPEN.',
    steps: [
      [`See what is open${isOne ? ` on ${cut(host, MAX_NAME)}` : ''}`, 'postern status'],
      ['Close what must not be open', `postern close ${name} ${isOne ? source : 'SOURCE'}`],
      ['See what went wrong', 'journalctl -u postern'],
    ],
  };
}
