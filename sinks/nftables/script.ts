/** All text that nft ever reads is made here, of parsed values only (T7). */
import type { NftTable } from '../../config/types.js';
import { PosternError } from '../../src/errors.js';
import { type Element, SET_NAMES, SETS, type SetName } from './element.js';

/** What a set's element is to become. */
export interface Change {
  readonly element: Element;
  /** Milliseconds until the kernel takes it out; null: never; 'absent': at once. */
  readonly timeoutMs: number | null | 'absent';
  /** Whether it may be in the set by now; a plain add would leave its timeout as it is. */
  readonly known: boolean;
}

/** postern's own table; another one is the user's. */
export const OWN_TABLE: NftTable = { family: 'inet', name: 'postern' };
const GUARD = 'guard';
/** Elements that a set can hold; the kernel then answers ENFILE. */
export const SET_SIZE = 65535;

/** Ten years: far beyond any grant, and an integer in every place it passes. */
const LONGEST_MS = 3650 * 86_400_000;

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
const ADDRESS_TYPE = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const;

/** Statements that the kernel takes all or not at all. Only the functions of this class make any. */
export class Script {
  readonly #statements: readonly string[];

  private constructor(statements: readonly string[]) {
    this.#statements = statements;
  }

  /** One line. */
  get text(): string {
    return this.#statements.join('; ');
  }

  static join(scripts: readonly Script[]): Script {
    return new Script(scripts.flatMap((script) => script.#statements));
  }

  static ensureTable(table: TableName): Script {
    return new Script([`add table ${table.text}`]);
  }

  /** Only for postern's own table. */
  static deleteOwnTable(): Script {
    const own = `${OWN_TABLE.family} ${OWN_TABLE.name}`;
    return new Script([`add table ${own}`, `delete table ${own}`]);
  }

  /** A set that is there stays, with its elements; one of another kind is refused by the kernel. */
  static ensureSets(table: TableName): Script {
    return new Script(table.sets.map((set) => `add set ${table.text} ${set} ${declaration(set)}`));
  }

  static flushSets(table: TableName): Script {
    return new Script(table.sets.map((set) => `flush set ${table.text} ${set}`));
  }

  static listSet(table: TableName, set: SetName): Script {
    return new Script([`list set ${table.text} ${set}`]);
  }

  static listTable(table: TableName): Script {
    return new Script([`list table ${table.text}`]);
  }

  /**
   * New connections to these ports are dropped unless their source is in a set. Before `filter` (0),
   * so that it holds whatever the host's own firewall accepts; an accept here ends only this chain.
   */
  static guard(table: TableName, ports: readonly GuardedPorts[]): Script {
    const chain = `${table.text} ${GUARD}`;
    const rules = [
      // In braces: nft monitor then tells of a set that goes when this rule does.
      'ct state { established, related } accept',
      'iif lo accept',
      ...table.sets.map((set) => {
        const address = SETS[set].family === 4 ? 'ip saddr' : 'ip6 saddr';
        return `${address} . meta l4proto . th dport @${set} accept`;
      }),
      ...ports.map(({ protocol, ports: list }) => `${protocol} dport { ${portList(list)} } drop`),
    ];
    return new Script([
      `add chain ${chain} { type filter hook input priority -10; policy accept; }`,
      `flush chain ${chain}`,
      ...rules.map((rule) => `add rule ${chain} ${rule}`),
    ]);
  }

  static withoutGuard(table: TableName): Script {
    const chain = `${table.text} ${GUARD}`;
    return new Script([`add chain ${chain}`, `flush chain ${chain}`, `delete chain ${chain}`]);
  }

  /**
   * Elements of one step. Those that go do so first: a piece of a range may take their place. An
   * element that may be there is added, deleted and added: adding it again would not change its
   * timeout, and deleting what is absent would be refused.
   */
  static change(table: TableName, changes: readonly Change[]): Script {
    const gone = changes.filter(({ timeoutMs }) => timeoutMs === 'absent');
    const there = changes.filter(({ timeoutMs }) => timeoutMs !== 'absent');
    const known = there.filter((change) => change.known);
    return new Script([
      ...elements('delete', table, gone),
      ...elements('add', table, known),
      ...elements('delete', table, known),
      ...elements('add', table, there),
    ]);
  }
}

export interface GuardedPorts {
  readonly protocol: 'tcp' | 'udp';
  /** Disjoint, ascending. */
  readonly ports: readonly { readonly from: number; readonly to: number }[];
}

/** A table's family and name, held to what an identifier of nft's can be. */
export class TableName {
  readonly text: string;
  /** A table of one family only has the sets of that family. */
  readonly sets: readonly SetName[];
  readonly own: boolean;

  private constructor({ family, name }: NftTable) {
    this.text = `${family} ${name}`;
    this.own = family === OWN_TABLE.family && name === OWN_TABLE.name;
    this.sets = SET_NAMES.filter((set) => sees(family, SETS[set].family));
  }

  /** @throws PosternError POSTERN_E_NFT for what is no name of a table */
  static of(table: NftTable): TableName {
    if (['inet', 'ip', 'ip6'].includes(table.family) && IDENTIFIER.test(table.name))
      return new TableName(table);
    throw new PosternError(
      'POSTERN_E_NFT',
      'nft_table must be a family (inet, ip or ip6) and a name of letters, digits and _',
    );
  }
}

/** Whether a table of that family sees packets of that IP version. */
export function sees(family: NftTable['family'], version: 4 | 6): boolean {
  return family === 'inet' || family === (version === 4 ? 'ip' : 'ip6');
}

/** What a set of the user's must be declared as. */
export function declaration(set: SetName): string {
  const { family, ranges } = SETS[set];
  const flags = ranges ? 'timeout, interval' : 'timeout';
  return `{ type ${ADDRESS_TYPE[family]} . inet_proto . inet_service; flags ${flags}; size ${SET_SIZE}; }`;
}

function portList(ports: GuardedPorts['ports']): string {
  return ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

function elements(verb: 'add' | 'delete', table: TableName, changes: readonly Change[]): string[] {
  return table.sets.flatMap((set) => {
    const mine = changes.filter(({ element }) => element.set === set);
    if (mine.length === 0) return [];
    const list = mine.map((change) => (verb === 'add' ? timed(change) : change.element.text));
    return [`${verb} element ${table.text} ${set} { ${list.join(', ')} }`];
  });
}

function timed({ element, timeoutMs }: Change): string {
  if (typeof timeoutMs !== 'number') return element.text;
  if (Number.isNaN(timeoutMs)) throw new Error('a grant that ends at no time');
  const ms = Math.min(Math.max(1, Math.ceil(timeoutMs)), LONGEST_MS);
  return `${element.text} timeout ${ms}ms`;
}
