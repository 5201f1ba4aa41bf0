import { timingSafeEqual } from 'node:crypto';
import { type EventBody, eventBody, type JournalEvent } from './events.js';
import { digest, type JournalKey } from './key.js';

const VERSION = '1';
/** Of one field, in characters. More than the names of all doors of the longest configuration. */
const MAX_LENGTH = 16 * 1024 * 1024;

/** An event as the stream holds it. `mac` covers everything else, the id included (DESIGN 8). */
export interface Entry {
  readonly id: string;
  /** Field names and values in turn, as XADD takes them and XRANGE gives them. */
  readonly fields: readonly string[];
}

/** Why an entry was not taken. */
export type Rejection = 'newer' | 'forged' | 'malformed';

/** An event and its HMAC as a stream entry: version, host, wall time, body, mac. */
export function seal(key: JournalKey, event: JournalEvent): Entry {
  const { id, host, atMs, ...body } = event;
  const time = String(atMs);
  const json = JSON.stringify(eventBody.parse(body));
  const mac = macOf(key, [VERSION, id, host, time, json]);
  return { id, fields: ['v', VERSION, 'h', host, 't', time, 'e', json, 'm', mac] };
}

/** The event of an entry, or why there is none. Never throws, whatever the entry holds. */
export function unseal(key: JournalKey, { id, fields }: Entry): JournalEvent | Rejection {
  const [v, version = '', h, host = '', t, time = '', e, json = '', m, mac = ''] = fields;
  if (v === 'v' && /^[1-9]\d{0,5}$/.test(version) && version !== VERSION) return 'newer';
  const wellFormed =
    fields.length === 10 &&
    fields.every(({ length }) => length <= MAX_LENGTH) &&
    [v, h, t, e, m].join() === 'v,h,t,e,m' &&
    version === VERSION;
  if (!wellFormed) return 'malformed';
  if (!same(mac, macOf(key, [version, id, host, time, json]))) return 'forged';
  const body = parseBody(json);
  return body === undefined ? 'malformed' : { ...body, id, host, atMs: Number(time) };
}

/** JSON keeps the parts apart: no two lists of texts have the same one. */
function macOf(key: JournalKey, parts: readonly string[]): string {
  return digest(key, 'event', JSON.stringify(parts));
}

function same(given: string, right: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}

function parseBody(json: string): EventBody | undefined {
  try {
    return eventBody.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
