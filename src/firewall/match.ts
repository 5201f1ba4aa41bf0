/** Whether a match of a rule holds for the connection that is judged. */
import { type Connection, isOurSet, partOf, setOf, type Value } from './connection.js';
import { elementOf, entryOf, field, wordsOf } from './json.js';
import type { Table } from './ruleset.js';
import { meansAnySource } from './sources.js';
import { agreed, and, anyOf, not, type Truth } from './truth.js';

/** What matches are judged by. */
export interface Circumstances {
  readonly connection: Connection;
  /** False behind a `notrack`. */
  readonly tracked: boolean;
  /** Told what could not be judged. */
  readonly doubt: (what: string) => void;
}

/** Numbers of protocols, for who writes them so (RFC 791, 8200). */
const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp' };

/** Whether `{"match": …}` holds. */
export function matches(table: Table, match: unknown, circumstances: Circumstances): Truth {
  if (typeof match !== 'object' || match === null || !('left' in match && 'right' in match))
    return 'maybe';
  const { connection, tracked, doubt } = circumstances;
  const value = partOf(connection, match.left, tracked);
  if (value.kind === 'absent') return 'no';
  const operator = field(match, 'op');
  const truth = compare(value, operator, match.right, table, connection);
  if (truth === 'maybe') doubt(doubtOf(value, match.right));
  return truth;
}

/** Whether the value of an expression is this one (a key of a verdict map). */
export function equals(
  table: Table,
  left: unknown,
  right: unknown,
  { connection, tracked, doubt }: Circumstances,
): Truth {
  const value = partOf(connection, left, tracked);
  const truth = value.kind === 'absent' ? 'no' : contains(value, right, table, connection);
  if (truth === 'maybe') doubt(doubtOf(value, right));
  return truth;
}

function doubtOf(value: Value, right: unknown): string {
  if (value.kind === 'unknown') return value.what;
  if (typeof right === 'string' && right.startsWith('@')) return `the set ${right.slice(1)}`;
  if (value.kind === 'source') return 'addresses of many sources';
  if (value.kind === 'port') return 'a part of the ports';
  if (value.kind === 'all') return value.parts.map((part) => doubtOf(part, '')).join(' . ');
  return value.kind === 'word' && value.words.length !== 1 ? 'the interface' : value.kind;
}

function compare(
  value: Value,
  operator: string,
  right: unknown,
  table: Table,
  connection: Connection,
): Truth {
  if (operator === '!=') return not(contains(value, right, table, connection));
  if (operator === 'in' && value.kind === 'flags')
    return wordsOf(right).some((flag) => value.set.includes(flag)) ? 'yes' : 'no';
  if (operator === '==' || operator === 'in') return contains(value, right, table, connection);
  if (value.kind !== 'port' || typeof right !== 'number') return 'maybe';
  if (operator === '<') return within(value, 0, right - 1);
  if (operator === '<=') return within(value, 0, right);
  if (operator === '>') return within(value, right + 1, 65_535);
  return operator === '>=' ? within(value, right, 65_535) : 'maybe';
}

function within({ from, to }: { from: number; to: number }, low: number, high: number): Truth {
  if (to < low || from > high) return 'no';
  return from >= low && to <= high ? 'yes' : 'maybe';
}

/** Whether the value is what stands on the right, or among it. */
function contains(value: Value, right: unknown, table: Table, connection: Connection): Truth {
  if (typeof right === 'string' && right.startsWith('@'))
    return inNamedSet(value, right.slice(1), table, connection);
  const [key, of] = entryOf(right);
  const elements = key === 'set' && Array.isArray(of) ? of : [right];
  return amongElements(value, elements, table, connection);
}

function inNamedSet(value: Value, name: string, table: Table, connection: Connection): Truth {
  if (isOurSet(connection, table, name)) return inOurSet(value, name, connection);
  const elements = table.sets.get(name);
  return elements === undefined ? 'maybe' : amongElements(value, elements, table, connection);
}

/** `ip saddr . meta l4proto . th dport @allow4` and the like. */
function inOurSet(value: Value, name: string, connection: Connection): Truth {
  const parts = value.kind === 'all' ? value.parts.map(({ kind }) => kind).join(' ') : '';
  if (parts !== 'source word port') return 'maybe';
  return connection.admitted && name === setOf(connection) ? 'yes' : 'no';
}

function amongElements(
  value: Value,
  elements: readonly unknown[],
  table: Table,
  connection: Connection,
): Truth {
  if (value.kind === 'source') return meansAnySource(value.family, elements);
  const plain = elements.map(elementOf);
  if (value.kind === 'port') return amongPorts(value, plain);
  return anyOf(plain.map((element) => isElement(value, element, table, connection)));
}

function amongPorts(value: { from: number; to: number }, elements: readonly unknown[]): Truth {
  const truths = elements.map((element): Truth => {
    if (typeof element === 'number') return within(value, element, element);
    const [key, of] = entryOf(element);
    if (key !== 'range' || !Array.isArray(of)) return 'maybe';
    const [low, high]: readonly unknown[] = of;
    return typeof low === 'number' && typeof high === 'number' ? within(value, low, high) : 'maybe';
  });
  return anyOf(truths);
}

function isElement(value: Value, element: unknown, table: Table, connection: Connection): Truth {
  if (value.kind === 'word') return isWord(value.words, element);
  if (value.kind === 'flags') {
    const flags = wordsOf(element);
    const same =
      flags.length === value.set.length && flags.every((flag) => value.set.includes(flag));
    return same ? 'yes' : 'no';
  }
  const [key, of] = entryOf(element);
  if (value.kind !== 'all' || key !== 'concat' || !Array.isArray(of)) return 'maybe';
  return value.parts
    .map((part, index) => contains(part, of[index], table, connection))
    .reduce(and, 'yes');
}

function isWord(words: readonly string[], element: unknown): Truth {
  const wanted = Array.isArray(element) ? element : [element];
  // Not on the loopback interface, whichever it is.
  if (words.length === 0) return wanted.every((name) => name === 'lo') ? 'no' : 'maybe';
  return agreed(words.map((each) => (wanted.some((one) => sameWord(one, each)) ? 'yes' : 'no')));
}

function sameWord(element: unknown, actual: string): boolean {
  if (typeof element === 'number') return PROTOCOLS[element] === actual;
  if (typeof element === 'boolean') return String(element) === actual;
  const pattern = String(element);
  // `eth*`: names of interfaces may end so.
  return pattern.endsWith('*') ? actual.startsWith(pattern.slice(0, -1)) : pattern === actual;
}
