/**
 * Templates of what sinks send: text with `{{door}}`, `{{source}}` and the like in it. A template is
 * understood once, when it is loaded, so that a mistake is found before anybody knocks. A `{{` that
 * is meant as it stands is written `\{{`; `}}` needs nothing.
 */
import { escapeControls } from '../config/diagnostics.js';
import { readTrusted } from '../config/trusted-file.js';
import { PosternError } from '../src/errors.js';
import type { SinkCall } from './types.js';

/** What a template may name. All are text; what is not known of a call is empty. */
const NAMES = [
  'event',
  'door',
  'source',
  'host',
  'grant',
  'at',
  'completed_at',
  'opened_at',
  'closes_at',
  'closed_at',
  'reason',
  'summary',
  'test',
] as const;

type TemplateName = (typeof NAMES)[number];

export type TemplateValues = Readonly<Record<TemplateName, string>>;

/** A template that is understood. */
export interface Template {
  readonly parts: readonly (string | { readonly name: TemplateName })[];
}

/** Where a template is wrong, 1-based, and in one clause why. */
export interface TemplateProblem {
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

const MAX_BYTES = 65_536;

/** Characters of a reason: chats refuse long messages, and a message that is cut is better. */
const MAX_REASON = 1_000;

/**
 * Reads a template from a file; `of` says whose it is: `[webhook:ops]`.
 * @throws PosternError POSTERN_E_SINK when it cannot be read, is not safe to trust (T8), or names
 *   what there is not; with path, line and column
 */
export async function loadTemplate(path: string, of: string): Promise<Template> {
  const refuse = (why: string) =>
    new PosternError('POSTERN_E_SINK', escapeControls(`${of}: the template ${path}${why}`));
  const read = await readTrusted(path, MAX_BYTES);
  if ('problem' in read) throw refuse(` ${read.problem}`);
  const template = parseTemplate(textOf(read.content) ?? '\0');
  if (!('problem' in template)) return template;
  throw refuse(`, line ${template.line}, column ${template.column}: ${template.problem}`);
}

function textOf(content: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** The template that a text is, or the first thing that is wrong with it. */
export function parseTemplate(text: string): Template | TemplateProblem {
  const nul = text.indexOf('\0');
  if (nul >= 0) return problemAt(text, nul, 'this is not text in UTF-8');
  const parts: (string | { name: TemplateName })[] = [];
  let end = 0;
  for (const found of text.matchAll(/\\\{\{|\{\{([^{}\n]*)(\}\})?/g)) {
    const [whole, inner = '', close] = found;
    parts.push(text.slice(end, found.index));
    end = found.index + whole.length;
    if (whole.startsWith('\\')) {
      parts.push('{{');
      continue;
    }
    if (close === undefined) return problemAt(text, found.index, 'a {{ without its }}');
    const name = NAMES.find((known) => known === inner.trim());
    if (name === undefined) return problemAt(text, found.index, unknown(inner.trim()));
    parts.push({ name });
  }
  parts.push(text.slice(end));
  return { parts: parts.filter((part) => part !== '') };
}

function unknown(name: string): string {
  const names = NAMES.map((known) => `{{${known}}}`).join(' ');
  return `there is no {{${name.slice(0, 40)}}}; there are ${names}`;
}

function problemAt(text: string, index: number, problem: string): TemplateProblem {
  const before = text.slice(0, index).split('\n');
  // Counted in characters as an editor does.
  const column = [...(before.at(-1) ?? '')].length + 1;
  return { line: before.length, column, problem };
}

/** The text with each value in its place, escaped for where it goes. */
export function renderTemplate(
  { parts }: Template,
  values: TemplateValues,
  escaped: (value: string) => string,
): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : escaped(values[part.name])))
    .join('');
}

/** For the inside of a JSON string. */
export function escapeJson(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For HTML text and quoted attributes; nothing that could disguise the text is left in it. */
export function escapeHtml(value: string): string {
  return escapeControls(value).replace(/[&<>"']/g, (character) => HTML[character] ?? '');
}

/** For one line of plain text or a header: no line break, and nothing that disguises it. */
export function escapePlain(value: string): string {
  return escapeControls(value);
}

/** What a template can say of a call. Times are ISO 8601 in UTC. */
export function templateValues(call: SinkCall): TemplateValues {
  const { event, grant, atMs } = call;
  const at = isoTime(atMs);
  const reason = cut(call.reason ?? '');
  return {
    event,
    door: grant.door,
    source: grant.source,
    host: grant.host,
    grant: grant.id,
    at,
    completed_at: grant.completedAtMs === undefined ? '' : isoTime(grant.completedAtMs),
    opened_at: event === 'open' ? at : '',
    closes_at: event === 'close' ? '' : closesAt(grant.untilMs),
    closed_at: event === 'close' ? at : '',
    reason,
    summary: summaryOf({ ...call, reason }),
    test: grant.isTest === true ? 'test' : '',
  };
}

function cut(reason: string): string {
  const characters = [...reason];
  return characters.length > MAX_REASON ? `${characters.slice(0, MAX_REASON).join('')}…` : reason;
}

function closesAt(untilMs: number | null): string {
  return untilMs === null ? 'never' : isoTime(untilMs);
}

/** What happened, in one sentence. */
function summaryOf({ event, grant, reason = '' }: SinkCall): string {
  const { door, source, host, untilMs } = grant;
  const until = untilMs === null ? ' and stays open' : ` until ${isoTime(untilMs)}`;
  const what = {
    open: `is open for ${source} on ${host}${until}`,
    close: `is closed again for ${source} on ${host}`,
    failed: `FAILED for ${source} on ${host}: ${reason}`,
  }[event];
  return `${grant.isTest === true ? 'TEST: ' : ''}door ${door} ${what}`;
}

/** ISO 8601 in UTC, of wall clock ms since the epoch. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
