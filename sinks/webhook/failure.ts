/** Why a webhook was not delivered, in words that hold nothing of its URL but host and port. */
import { STATUS_CODES } from 'node:http';
import { codeOf, connectionFailure } from '../connection-failure.js';
import { type Answer, Overdue } from './post.js';
import { PrivateTarget } from './target.js';

/** An attempt that failed. */
export class WebhookFailure extends Error {
  override readonly name = 'WebhookFailure';
  /** The receiver wants no more of it. */
  readonly isFinal: boolean;
  /** Milliseconds that the receiver asked to be left alone. */
  readonly askedMs: number;

  constructor(message: string, { isFinal = false, askedMs = 0 } = {}) {
    super(message);
    this.isFinal = isFinal;
    this.askedMs = askedMs;
  }
}

const DAY_MS = 86_400_000;

/**
 * What an answer means; undefined: delivered. As Standard Webhooks 1.0.0 advises, "Delivery success
 * and failure": 2xx is success, 410 the end, and all the rest is tried again: an operator mends a
 * wrong URL or password within the days that takes.
 */
export function failureOf(answer: Answer, origin: string): WebhookFailure | undefined {
  const { status } = answer;
  if (status >= 200 && status <= 299) return undefined;
  const said = `${origin} answered ${[status, STATUS_CODES[status]].filter(Boolean).join(' ')}`;
  if (status >= 300 && status <= 399) {
    const advice = 'postern follows no redirect, so write the address it leads to as the url';
    return new WebhookFailure(`${said}: ${advice}`);
  }
  if (status === 410) return new WebhookFailure(said, { isFinal: true });
  const askedMs = status === 429 || status === 503 ? askedFor(answer.retryAfter) : 0;
  if (askedMs === 0) return new WebhookFailure(said);
  return new WebhookFailure(`${said}, to be tried again in ${Math.ceil(askedMs / 1000)} s`, {
    askedMs,
  });
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date; at most a day, 0 for what is neither. */
function askedFor(retryAfter = ''): number {
  const text = retryAfter.trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, DAY_MS);
  // The one form of date that is still to be written; Date.parse alone would take almost anything.
  const isDate = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text);
  const untilMs = isDate ? Date.parse(text) - Date.now() : 0;
  return Number.isNaN(untilMs) ? 0 : Math.min(Math.max(0, untilMs), DAY_MS);
}

/** What HTTP's own codes say; the first that fits. */
const KINDS: readonly (readonly [RegExp, (origin: string) => string])[] = [
  [
    /^HPE_INVALID_EOF_STATE/,
    (origin) => `${origin} closed the connection before its answer was complete`,
  ],
  [/^(HPE_|ERR_HTTP)/, (origin) => `what ${origin} answered is not HTTP`],
];

/**
 * A failed attempt, from what Node reported. Only its code is taken: the text of some errors holds
 * the URL, and that of others what the receiver sent.
 */
export function failureFrom(error: unknown, origin: string, timeoutMs: number): WebhookFailure {
  if (error instanceof PrivateTarget) return new WebhookFailure(error.message);
  if (error instanceof Overdue)
    return new WebhookFailure(`${origin} did not answer in full within ${timeoutMs} ms`);
  const code = codeOf(error);
  const words =
    KINDS.find(([pattern]) => pattern.test(code))?.[1](origin) ??
    connectionFailure(code, origin) ??
    `the request to ${origin} failed`;
  return new WebhookFailure(`${words} (${code})`);
}
