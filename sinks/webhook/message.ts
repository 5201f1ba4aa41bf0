/** What a webhook sends: its id, its body, its signature. */
import { createHash } from 'node:crypto';
import { PosternError } from '../../src/errors.js';
import {
  escapeJson,
  isoTime,
  loadTemplate,
  renderTemplate,
  type Template,
  templateValues,
} from '../template.js';
import type { SinkCall } from '../types.js';

/** Makes the body of a call: JSON text. */
export type Body = (call: SinkCall) => string;

/** Of the shape that `standardBody` gives. */
const VERSION = 1;

/**
 * The same for one event of one grant at one sink, whenever and however often it is sent: receivers
 * know by it what they have had. Of one grant several things may fail, each for a reason of its own.
 * Holds no full stop, as the signature wants it.
 */
export function messageId(sink: string, { event, grant, reason }: SinkCall): string {
  const what = JSON.stringify([sink, grant.id, event, reason]);
  return `msg_${createHash('sha256').update(what).digest('hex').slice(0, 40)}`;
}

/** The documented shape. Times are ISO 8601 in UTC; what is not known is left out. */
export const standardBody: Body = (call) => {
  const { event, grant, atMs } = call;
  const { reason } = templateValues(call);
  return JSON.stringify({
    version: VERSION,
    type: `door.${event}`,
    timestamp: isoTime(atMs),
    data: {
      door: grant.door,
      source: grant.source,
      host: grant.host,
      grant: grant.id,
      ...(grant.completedAtMs !== undefined && { completedAt: isoTime(grant.completedAtMs) }),
      ...(event === 'open' && { openedAt: isoTime(atMs) }),
      // null: never.
      ...(event !== 'close' && {
        closesAt: grant.untilMs === null ? null : isoTime(grant.untilMs),
      }),
      ...(event === 'close' && { closedAt: isoTime(atMs) }),
      ...(event === 'failed' && { reason }),
      ...(grant.isTest === true && { test: true }),
    },
  });
};

/**
 * The body that a template makes.
 * @throws PosternError POSTERN_E_SINK when the template cannot be used, or does not make JSON
 */
export async function bodyFromFile(path: string, of: string): Promise<Body> {
  const template = await loadTemplate(path, of);
  if (!makesJson(template)) {
    const advice = 'put every {{name}} between double quotes, and look for commas';
    throw new PosternError('POSTERN_E_SINK', `${of}: what ${path} makes is not JSON; ${advice}`);
  }
  return (call) => renderTemplate(template, templateValues(call), escapeJson);
}

/**
 * Whether it makes JSON whatever the values are. Escaped for a JSON string, this one is JSON nowhere
 * else, so that every place for a value is known to stand inside a string.
 */
function makesJson(template: Template): boolean {
  try {
    JSON.parse(renderTemplate(template, awkwardValues(), escapeJson));
    return true;
  } catch {
    return false;
  }
}

function awkwardValues() {
  const grant = { id: '', door: '', source: '', host: '', untilMs: 0, leftMs: 0 };
  const values = templateValues({ event: 'open', atMs: 0, grant });
  return { ...values, ...Object.fromEntries(Object.keys(values).map((name) => [name, '"\n'])) };
}
