/**
 * `nft -j list ruleset` as chains, rules and sets (libnftables-json(5)). Tolerant: what is not known
 * here is kept as it is, and whoever judges a rule says so when it meets it.
 */
import { z } from 'zod';
import { withoutXt } from './xt.js';

/** One expression or statement of a rule: an object of a single key, or a word. */
export type Expression = unknown;

export interface Rule {
  readonly expressions: readonly Expression[];
}

/** Where in the kernel a chain of rules is asked; absent for chains that are only jumped to. */
export interface Hook {
  readonly name: string;
  readonly priority: number;
  /** What becomes of a packet on which no rule decides. */
  readonly policy: 'accept' | 'drop';
}

export interface Table {
  readonly family: string;
  readonly name: string;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Elements by the name of the set or map. */
  readonly sets: ReadonlyMap<string, readonly unknown[]>;
}

export interface Chain {
  readonly table: Table;
  readonly name: string;
  readonly hook?: Hook;
  readonly rules: readonly Rule[];
}

const place = { family: z.string(), table: z.string() };
const tableShape = z.object({ family: z.string(), name: z.string() });
const chainShape = z.object({
  ...place,
  name: z.string(),
  hook: z.string().optional(),
  prio: z.number().optional(),
  policy: z.string().optional(),
});
const ruleShape = z.object({
  ...place,
  chain: z.string(),
  handle: z.number(),
  expr: z.array(z.unknown()),
});
const setShape = z.object({ ...place, name: z.string(), elem: z.unknown().optional() });
const shape = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

type Objects = readonly Readonly<Record<string, unknown>>[];

/**
 * Reads a ruleset. `listing` is `nft -a list ruleset` of the same one: what iptables wrote says
 * there what it matches, and in JSON only by which of its extensions.
 * @throws SyntaxError, ZodError when it is no ruleset at all
 */
export function parseRuleset(json: string, listing = ''): readonly Table[] {
  const objects = shape.parse(JSON.parse(json)).nftables;
  const rules = rulesByChain(objects, listing);
  return all(objects, 'table', tableShape).map(({ family, name }) => {
    const inside = (each: { family: string; table: string }) =>
      each.family === family && each.table === name;
    const chains = new Map<string, Chain>();
    const sets = new Map(
      [...all(objects, 'set', setShape), ...all(objects, 'map', setShape)]
        .filter(inside)
        .map((set) => [set.name, Array.isArray(set.elem) ? set.elem : []]),
    );
    const table: Table = { family, name, chains, sets };
    for (const chain of all(objects, 'chain', chainShape).filter(inside))
      chains.set(chain.name, {
        table,
        name: chain.name,
        rules: rules.get(key(family, name, chain.name)) ?? [],
        ...hookOf(chain),
      });
    return table;
  });
}

/** Everything of one kind; what is not of its shape is left out, for a newer nft may know more. */
function all<T>(objects: Objects, kind: string, of: z.ZodType<T>): readonly T[] {
  return objects.flatMap((object) => {
    const read = of.safeParse(object[kind]);
    return read.success ? [read.data] : [];
  });
}

function hookOf({ hook, prio = 0, policy }: z.infer<typeof chainShape>): { hook?: Hook } {
  if (hook === undefined) return {};
  return { hook: { name: hook, priority: prio, policy: policy === 'drop' ? 'drop' : 'accept' } };
}

function rulesByChain(objects: Objects, listing: string): ReadonlyMap<string, readonly Rule[]> {
  const texts = listing === '' ? new Map<string, string>() : textsOf(listing);
  const byChain = new Map<string, Rule[]>();
  for (const { family, table, chain, handle, expr } of all(objects, 'rule', ruleShape)) {
    const text = texts.get(key(family, table, String(handle))) ?? '';
    const name = key(family, table, chain);
    const rules = byChain.get(name) ?? [];
    rules.push({ expressions: withoutXt(expr, text) });
    byChain.set(name, rules);
  }
  return byChain;
}

/** The line of each rule, by table and handle. */
function textsOf(listing: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  let [family, table] = ['', ''];
  for (const line of listing.split('\n')) {
    const header = /^table (\S+) (\S+) \{/.exec(line);
    const rule = /^\t\t(.*) # handle (\d+)$/.exec(line);
    if (header) [, family = '', table = ''] = header;
    else if (rule) texts.set(key(family, table, rule[2] ?? ''), rule[1] ?? '');
  }
  return texts;
}

/** Names of nft hold no blank. */
function key(...parts: readonly string[]): string {
  return parts.join(' ');
}
