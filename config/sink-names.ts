/** How sinks of the configuration are called: `webhook:ops`, the header of a section of their own. */
import type { SinkSettings } from '../sinks/settings.js';
import { escapeControls, quoted } from './diagnostics.js';
import { indent, trim } from './lines.js';
import { bad, good, type Reading, type Remark } from './reading.js';

export type SinkKind = SinkSettings['kind'];

const HEADER = /^(webhook|email|module)[ \t]*:(.*)$/i;

const MAX_NAME = 64;

const KINDS: Readonly<Record<string, SinkKind>> = {
  webhook: 'webhook',
  email: 'email',
  module: 'module',
};

/** Of which kind the section of that header is; undefined: of none, so it is a door. */
export function sinkKindOf(header: string): SinkKind | undefined {
  return KINDS[HEADER.exec(trim(header))?.[1]?.toLowerCase() ?? ''];
}

/**
 * The name that everybody knows a sink by: the kind in lower case, blanks taken off. Undefined for
 * what is none: a list is split at commas, and a name stands in logs, mails and the journal.
 */
export function sinkNameOf(text: string): string | undefined {
  const name = trim(HEADER.exec(trim(text))?.[2] ?? '');
  const isPlain = escapeControls(name) === name && !name.includes(',');
  if (name === '' || name.length > MAX_NAME || !isPlain) return undefined;
  return `${sinkKindOf(text)}:${name}`;
}

/** A sink as a door names it. */
export interface NamedSink {
  readonly name: string;
  /** Where in the value, from 0. */
  readonly offset: number;
}

/** `webhook:ops, email:oncall`; whether there are such sinks is seen when all sections are read. */
export function sinkNames(text: string): Reading<readonly NamedSink[]> {
  const sinks = new Map<string, NamedSink>();
  const warnings: Remark[] = [];
  let start = 0;
  for (const [index, token] of text.split(',').entries()) {
    const offset = start + indent(token);
    const name = sinkNameOf(token);
    if (name === undefined) return bad(`${TAKES}; ${foundIn(token)} at entry ${index + 1}`, offset);
    if (!sinks.has(name)) sinks.set(name, { name, offset });
    else warnings.push(repeated(index + 1, offset));
    start += token.length + 1;
  }
  return good([...sinks.values()], warnings);
}

const TAKES = 'takes names of sinks such as webhook:ops or email:oncall, separated by commas';

function foundIn(token: string): string {
  const entry = trim(token);
  return entry === '' ? 'there is nothing' : `there is ${quoted(entry)}`;
}

function repeated(entry: number, offset: number): Remark {
  const message = `names the sink of entry ${entry} a second time; it acts once`;
  return { code: 'POSTERN_W_REPEATED', offset, message };
}
