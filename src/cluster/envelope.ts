import { timingSafeEqual } from 'node:crypto';
import { PosternError } from '../errors.js';
import type { EventBody } from '../journal/events.js';
import { digest, type JournalKey } from '../journal/key.js';
import { hostName, orderBody, reportBody } from './messages.js';
import type { ClusterKeys, ClusterMessage, Order, Sealed } from './types.js';

const VERSION = '1';
/** A body of more characters is neither written nor looked at: 4,096 doors need a third of it. */
const MAX_LENGTH = 1024 * 1024;
const MAC_LENGTH = 43;

const NAMES = 'v,k,h,i,t,b,m';
const OTHER_VERSION = /^[1-9]\d{0,5}$/;
const ID = /^\d{1,20}-\d{1,20}$/;
const TIME = /^(0|[1-9]\d{0,15})$/;

/** Why an entry was not taken. */
export type Refusal = 'newer' | 'forged' | 'malformed';

/**
 * A message with its HMAC as a stream entry: version, kind, host, id, time, body, mac. The HMAC
 * covers all of them and the cluster's name, so that none can be edited, and no message of one
 * cluster passes in another that shares its key (T5).
 *
 * Throws POSTERN_E_CLUSTER when the message is none that another host would take.
 */
export function sealMessage(keys: ClusterKeys, cluster: string, message: ClusterMessage): Sealed {
  const { kind, host, id, atMs } = message;
  const time = String(atMs);
  const content = kind === 'order' ? message.order : message.event;
  const checked = messageOf(kind, host, id, time, content);
  const body = JSON.stringify(checked && contentOf(checked)) ?? '';
  if (checked === undefined || body.length > MAX_LENGTH) {
    throw new PosternError(
      'POSTERN_E_CLUSTER',
      `a message to the cluster (${kind} ${id}) cannot be written: a name in it is too long, or ` +
        'an address is none',
    );
  }
  const mac = macOf(keys.signing, [VERSION, cluster, kind, host, id, time, body]);
  return ['v', VERSION, 'k', kind, 'h', host, 'i', id, 't', time, 'b', body, 'm', mac];
}

/**
 * The message of an entry, accepted under any of the keys, or why there is none. Never throws,
 * whatever the entry holds. It says who wrote it and when, not that it is fresh or came only once:
 * that is the reader's to judge.
 */
export function unsealMessage(
  keys: ClusterKeys,
  cluster: string,
  fields: Sealed,
): ClusterMessage | Refusal {
  const [v, version = ''] = fields;
  if (v === 'v' && version !== VERSION && OTHER_VERSION.test(version)) return 'newer';
  const [, , k, kind = '', h, host = '', i, id = '', t, time = '', b, body = '', m, mac = ''] =
    fields;
  const isWellFormed =
    [v, k, h, i, t, b, m].join() === NAMES && fields.length === 14 && version === VERSION;
  if (!isWellFormed || body.length > MAX_LENGTH) return 'malformed';
  if (!verifies(keys, [version, cluster, kind, host, id, time, body], mac)) return 'forged';
  return messageOf(kind, host, id, time, parseJson(body)) ?? 'malformed';
}

/**
 * A short text with its HMAC, such as a sign of life. `purpose` is a plain word: what was sealed
 * for one is no text of another's.
 */
export function sealText(
  keys: ClusterKeys,
  cluster: string,
  purpose: string,
  text: string,
): string {
  return `${macOf(keys.signing, [VERSION, 'text', cluster, purpose, text])}.${text}`;
}

/** The text, if it verifies under any of the keys. Never throws. */
export function unsealText(
  keys: ClusterKeys,
  cluster: string,
  purpose: string,
  sealed: string,
): string | undefined {
  if (sealed.length > MAX_LENGTH || sealed.charAt(MAC_LENGTH) !== '.') return undefined;
  const text = sealed.slice(MAC_LENGTH + 1);
  const parts = [VERSION, 'text', cluster, purpose, text];
  return verifies(keys, parts, sealed.slice(0, MAC_LENGTH)) ? text : undefined;
}

function messageOf(
  kind: string,
  host: string,
  id: string,
  time: string,
  content: unknown,
): ClusterMessage | undefined {
  const atMs = Number(time);
  if (!ID.test(id) || !TIME.test(time) || !Number.isSafeInteger(atMs)) return undefined;
  if (!hostName.safeParse(host).success) return undefined;
  if (kind === 'order') {
    const order = orderBody.safeParse(content).data;
    return order && { kind, host, id, atMs, order };
  }
  if (kind === 'report') {
    const event = reportBody.safeParse(content).data;
    return event && { kind, host, id, atMs, event };
  }
  return undefined;
}

/** As it was parsed: without whatever else the caller's object held. */
function contentOf(message: ClusterMessage): Order | EventBody {
  return message.kind === 'order' ? message.order : message.event;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** JSON keeps the parts apart and escapes what UTF-8 cannot hold: no two lists have the same. */
function macOf(key: JournalKey, parts: readonly string[]): string {
  return digest(key, 'cluster', JSON.stringify(parts));
}

function verifies(keys: ClusterKeys, parts: readonly string[], mac: string): boolean {
  const given = Buffer.from(mac);
  return keys.all.some((key) => {
    const right = Buffer.from(macOf(key, parts));
    return given.length === right.length && timingSafeEqual(given, right);
  });
}
