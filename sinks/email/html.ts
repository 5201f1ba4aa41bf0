/** postern's own message as HTML: no images, no links, nothing from elsewhere; fit for a phone. */
import { escapeHtml } from '../template.js';
import type { SinkCall } from '../types.js';
import { more } from './plain.js';
import { adviceOf, factsOf, headlineOf, isTest, MAX_CALLS, untilOf } from './words.js';

const CELL = 'padding:4px 12px 4px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere';
const ALARM = 'border:2px solid #b00020;padding:0 12px;margin:0 0 16px';

/** A document around what is given. */
export function htmlDocument(body: string): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"></head>',
    `<body style="font:16px/1.4 sans-serif;margin:16px">`,
    body,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

export function htmlText(calls: readonly SinkCall[]): string {
  const failures = calls.filter(({ event }) => event === 'failed');
  const [only] = calls;
  return htmlDocument(
    [
      `<h1 style="font-size:20px">${escapeHtml(headlineOf(calls))}</h1>`,
      ...adviceHtml(failures),
      only !== undefined && calls.length === 1 ? facts(only) : table(calls),
      ...(isTest(calls) ? ['<p>This is a test: nobody knocked.</p>'] : []),
      '<p style="color:#666">postern sends this by itself; nobody reads an answer.</p>',
    ].join('\n'),
  );
}

function adviceHtml(failures: readonly SinkCall[]): string[] {
  const advice = adviceOf(failures);
  if (advice === undefined) return [];
  const steps = advice.steps.map(
    ([what, command]) => `<li>${escapeHtml(what)}:<br><code>${escapeHtml(command)}</code></li>`,
  );
  return [
    `<div style="${ALARM}">`,
    `<p><strong>${escapeHtml(advice.meaning)}</strong></p>`,
    `<p>What to do:</p>`,
    `<ol>${steps.join('')}</ol>`,
    '</div>',
  ];
}

function facts(call: SinkCall): string {
  const rows = factsOf(call).map(
    ([label, value]) =>
      `<tr><th style="${CELL}">${label}</th><td style="${CELL}">${escapeHtml(value)}</td></tr>`,
  );
  return ['<table style="border-collapse:collapse">', ...rows, '</table>'].join('\n');
}

const COLUMNS = ['When', 'Event', 'Source', 'Host', 'Until', 'Grant'] as const;

function table(calls: readonly SinkCall[]): string {
  const heads = COLUMNS.map((label) => `<th style="${CELL}">${label}</th>`).join('');
  const rows = calls.slice(0, MAX_CALLS).map((call) => {
    const values = new Map<string, string>([...factsOf(call), ['Until', untilOf(call)]]);
    const reason = values.get('Reason');
    const cells = COLUMNS.map((label) => {
      const value = escapeHtml(values.get(label) ?? '');
      const why = label === 'Event' && reason !== undefined ? `<br>${escapeHtml(reason)}` : '';
      return `<td style="${CELL}">${value}${why}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return [
    '<table style="border-collapse:collapse;font-size:14px">',
    `<tr>${heads}</tr>`,
    ...rows,
    '</table>',
    ...more(calls.length).map((text) => `<p>${text}</p>`),
  ].join('\n');
}
