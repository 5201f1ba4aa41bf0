/** What can be made of a genuine message without the key: each field, each class of bytes. */
import { randomInt } from 'node:crypto';
import { digest, type JournalKey } from '../../../src/journal/key.js';
import type { Random } from '../../capture/random.js';
import type { Fields } from './attacker.js';

/** Names of the parts of a message, and where their values stand. */
const PARTS = { version: 1, kind: 3, host: 5, id: 7, time: 9, body: 11, mac: 13 } as const;

/** Nobody honest ever knocks from there. */
export function evilSource(random: Random): string {
  const n = random.below(65_536);
  return random.chance(4) ? `2001:db8:bad::${n.toString(16)}` : `203.0.${n >> 8}.${n & 255}`;
}

/** Values that are no address in its canonical form, or none at all. */
export const NO_ADDRESSES: readonly string[] = [
  ...['', ' ', '0', '127.1', '010.0.0.1', '10.0.0.1 ', '10.0.0.256', '0x0a000001', '167772161'],
  ...[
    '::ffff:10.0.0.1',
    '2001:DB8::1',
    '2001:db8:0:0:0:0:0:1',
    'fe80::1%eth0',
    '::/0',
    '0.0.0.0/0',
  ],
  ...['10.0.0.1; reboot', '$(reboot)', '`reboot`', '10.0.0.1\nreboot', '10.0.0.1\0', 'b1', '%IP%'],
  ...['10.0.0.1,10.0.0.2', '‮1.0.0.01', 'localhost', '{}', '\ud800'],
];

const ODD_CHARACTERS = ['\0', '\n', '\r', '"', '\\', '{', '}', '\u202e', '\ud800', 'é', '0', '-'];

/** Another value for one field, or another set of fields. Never what it was given. */
export function mutated(fields: readonly string[], random: Random): Fields {
  for (;;) {
    const made = random.chance(5) ? reshaped(fields, random) : edited(fields, random);
    const isSame = made.length === fields.length && made.every((each, at) => each === fields[at]);
    if (made.length > 0 && !isSame) return made;
  }
}

/** What a message says, before anybody signs it. */
export interface Unsigned {
  readonly kind: 'order' | 'report';
  readonly host: string;
  readonly atMs: number;
  readonly body: object;
}

/** A message signed with that key for that cluster, whatever it says. */
export function signed(
  { kind, host, atMs, body }: Unsigned,
  by: { readonly key: JournalKey; readonly cluster: string },
): string[] {
  const [id, time, text] = [`${atMs}-${randomInt(2 ** 40)}`, String(atMs), JSON.stringify(body)];
  const parts = ['1', by.cluster, kind, host, id, time, text];
  const mac = digest(by.key, 'cluster', JSON.stringify(parts));
  return ['v', '1', 'k', kind, 'h', host, 'i', id, 't', time, 'b', text, 'm', mac];
}

/** The body of an order with some of its members others. */
function bodyWith(fields: readonly string[], changes: object): string {
  return JSON.stringify({ ...JSON.parse(fields[PARTS.body] ?? '{}'), ...changes });
}

function edited(fields: readonly string[], random: Random): Fields {
  const at = random.below(fields.length);
  const value = fields[at] ?? '';
  const replaced = random.chance(3) ? meaningful(fields, at, random) : spoiled(value, random);
  return fields.map((field, index) => (index === at ? replaced : field));
}

/** Bytes that were added, taken, swapped. */
function spoiled(value: string, random: Random): string | Buffer {
  const at = random.below(value.length + 1);
  const [head, tail] = [value.slice(0, at), value.slice(at)];
  switch (random.below(8)) {
    case 0: {
      const bytes = Buffer.from(value || ' ');
      const index = random.below(bytes.length);
      bytes[index] = (bytes[index] ?? 0) ^ (1 << random.below(8));
      return bytes;
    }
    case 1:
      return `${head}${random.pick(ODD_CHARACTERS)}${tail.slice(1)}`;
    case 2:
      return `${head}${random.pick(ODD_CHARACTERS)}${tail}`;
    case 3:
      return head;
    case 4:
      return `${value}${value}`;
    case 5:
      return value === value.toUpperCase() ? value.toLowerCase() : value.toUpperCase();
    case 6:
      return Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from(tail)]);
    default:
      return random.chance(50) ? 'x'.repeat(1_100_000) : ` ${value}`;
  }
}

/** What would do harm if it were believed. */
function meaningful(fields: readonly string[], at: number, random: Random): string {
  const source = evilSource(random);
  switch (at) {
    case PARTS.version:
      return random.pick(['0', '2', '01', '1 ', '999999', '-1']);
    case PARTS.kind:
      return fields[PARTS.kind] === 'order' ? 'report' : 'order';
    case PARTS.host:
      return random.pick(['b1', 'b2', 'b3', 'b4', '', 'b1;reboot']);
    case PARTS.id:
      return `${Date.now()}-${random.below(2 ** 31)}`;
    case PARTS.time:
      return String(Date.now() + random.pick([0, -3_600_000, 3_600_000]));
    case PARTS.body: {
      const door = random.pick(['all', 'open', 'one', 'here', 'single', 'mine']);
      const runOn = random.pick(['everywhere', 'once', 'here']);
      const grant = `b1-${Date.now()}-${random.below(2 ** 31)}`;
      const changes = [{ source }, { door }, { runOn }, { grant }, { claims: [] }, { pending: 1 }];
      return bodyWith(fields, { ...random.pick(changes), ...random.pick([{ source }, { grant }]) });
    }
    case PARTS.mac:
      return random.pick(['', 'A'.repeat(43), fields[PARTS.body] ?? '']);
    default:
      return random.pick(['v', 'k', 'h', 'i', 't', 'b', 'm', '__proto__']);
  }
}

/** Fields that are more, fewer, or in another order. */
function reshaped(fields: readonly string[], random: Random): Fields {
  const at = 2 * random.below(fields.length / 2);
  const pair = fields.slice(at, at + 2);
  const others = [...fields.slice(0, at), ...fields.slice(at + 2)];
  switch (random.below(4)) {
    case 0:
      return others;
    case 1:
      return [...fields, ...pair];
    case 2:
      return [...pair, ...others];
    default:
      return [...fields, 'x', evilSource(random)];
  }
}
