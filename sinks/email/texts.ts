/** The texts of an e-mail: postern's own, or by templates of the operator's. */
import { PosternError } from '../../src/errors.js';
import type { EmailSettings } from '../settings.js';
import {
  escapeHtml,
  escapePlain,
  loadTemplate,
  renderTemplate,
  type Template,
  templateValues,
} from '../template.js';
import type { SinkCall } from '../types.js';
import { htmlDocument, htmlText } from './html.js';
import { more, plainText } from './plain.js';
import { headlineOf, MAX_CALLS, subjectOf } from './words.js';

export interface Texts {
  readonly subject: string;
  /** At least one of both. */
  readonly text?: string;
  readonly html?: string;
}

/** Of at least one call. */
export type Write = (calls: readonly SinkCall[]) => Texts;

type Files = Pick<EmailSettings, 'subjectFile' | 'textFile' | 'htmlFile'>;

/**
 * Loads the templates that a section names. Whoever gives a text of their own and no HTML gets a
 * message without HTML, for no mail program would show their text beside ours.
 * @throws PosternError POSTERN_E_SINK when one of them cannot be used
 */
export async function loadTexts(files: Files, of: string): Promise<Write> {
  const load = (path: string | undefined) =>
    path === undefined ? undefined : loadTemplate(path, of);
  const subject = await load(files.subjectFile);
  const text = await load(files.textFile);
  const html = await load(files.htmlFile);
  if (subject !== undefined) requireOneLine(subject, `${of}: the template ${files.subjectFile}`);
  return (calls) => ({
    subject: subject === undefined ? ownSubject(calls) : subjectBy(subject, calls),
    text: text === undefined ? plainText(calls) : textBy(text, calls),
    ...(html !== undefined && { html: htmlBy(html, calls) }),
    ...(html === undefined && text === undefined && { html: htmlText(calls) }),
  });
}

function requireOneLine({ parts }: Template, what: string): void {
  const literal = parts.map((part) => (typeof part === 'string' ? part : 'x')).join('');
  if (/^[^\r\n]*\S[^\r\n]*(\r?\n)?$/.test(literal)) return;
  throw new PosternError('POSTERN_E_SINK', `${what} is a subject, and must be one line`);
}

function ownSubject(calls: readonly SinkCall[]): string {
  return subjectOf(escapePlain(`[postern] ${headlineOf(calls)}`));
}

function subjectBy(template: Template, calls: readonly SinkCall[]): string {
  const [first = ''] = eachBy(template, calls.slice(0, 1), escapePlain);
  return subjectOf(calls.length > 1 ? `(${calls.length}) ${first}` : first);
}

function textBy(template: Template, calls: readonly SinkCall[]): string {
  return [...eachBy(template, calls, escapePlain), ...more(calls.length)].join('\n');
}

/** The template is the inside of a document, since there may be many of it in one. */
function htmlBy(template: Template, calls: readonly SinkCall[]): string {
  const rest = more(calls.length).map((text) => `<p>${text}</p>`);
  return htmlDocument([...eachBy(template, calls, escapeHtml), ...rest].join('\n'));
}

function eachBy(
  template: Template,
  calls: readonly SinkCall[],
  escaped: (value: string) => string,
): string[] {
  return calls
    .slice(0, MAX_CALLS)
    .map((call) => renderTemplate(template, templateValues(call), escaped));
}
