/** What the parts of a rule do: those that let it go on, and those that end it. */
import { entryOf, field } from './json.js';
import { type Circumstances, equals, matches } from './match.js';
import type { Expression, Table } from './ruleset.js';
import type { Truth } from './truth.js';
import { xtOf } from './xt.js';

/** `elsewhere`: rewritten, queued to a program, or by what is not known here. */
export type Verdict = 'accept' | 'drop' | 'elsewhere';

/** What a rule or one key of a verdict map does, if it applies. */
export type Act =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'jump' | 'goto'; readonly target: string }
  | { readonly kind: 'return' };

/** An act, whether it is done, and what kept that from being told. */
export interface Step {
  readonly truth: Truth;
  readonly act: Act;
}

/** Whether a rule goes on behind this expression. */
export function holds(key: string, of: unknown, table: Table, circumstances: Circumstances): Truth {
  if (key === 'match') return matches(table, of, circumstances);
  if (LIMITS.has(key)) return isOver(of) ? 'no' : 'yes';
  if (key === 'meter') return holdsInner(of);
  if (key === 'set' && typeof of === 'object' && of !== null && 'stmt' in of)
    return Array.isArray(of.stmt) && of.stmt.some(limitIsOver) ? 'no' : 'yes';
  if (PASSED_OVER.has(key)) return 'yes';
  circumstances.doubt(key === 'xt' ? `the match ${xtOf({ xt: of })?.name} of iptables` : key);
  return 'maybe';
}

/** Taken as not used up: that a rate is not exceeded is what the rule calls normal. */
const LIMITS: ReadonlySet<string> = new Set(['limit', 'quota', 'ct count']);

function isOver(of: unknown): boolean {
  return typeof of === 'object' && of !== null && 'inv' in of && of.inv === true;
}

function limitIsOver(statement: unknown): boolean {
  const [key = '', of] = entryOf(statement);
  return LIMITS.has(key) && isOver(of);
}

function holdsInner(meter: unknown): Truth {
  const inner = typeof meter === 'object' && meter !== null && 'stmt' in meter ? meter.stmt : null;
  return limitIsOver(inner) ? 'no' : 'yes';
}

/** Statements that change nothing about whether the packet passes. */
const PASSED_OVER: ReadonlySet<string> = new Set(
  'counter log mangle set flow dup last secmark notrack'
    .split(' ')
    .concat(['ct helper', 'ct timeout', 'ct expectation']),
);

/** What ends a rule: its verdict, or those of a map. */
export function stepsOf(
  expression: Expression,
  table: Table,
  circumstances: Circumstances,
): readonly Step[] | undefined {
  const [key = '', of] = entryOf(expression);
  if (key === 'vmap') return mapped(of, table, circumstances);
  const act = actOf(key, expression);
  return act && [{ truth: 'yes', act }];
}

const AWAY: ReadonlySet<string> = new Set([
  'dnat',
  'redirect',
  'queue',
  'tproxy',
  'fwd',
  'synproxy',
]);

function actOf(key: string, expression: Expression): Act | undefined {
  if (key === 'accept') return { kind: 'verdict', verdict: 'accept' };
  if (key === 'drop' || key === 'reject') return { kind: 'verdict', verdict: 'drop' };
  if (AWAY.has(key) || rewrites(expression)) return { kind: 'verdict', verdict: 'elsewhere' };
  if (key === 'jump' || key === 'goto')
    return { kind: key, target: field(entryOf(expression)[1], 'target') };
  if (key === 'return') return { kind: key };
  if (xtOf(expression)?.type === 'target') return { kind: 'verdict', verdict: 'elsewhere' };
  return undefined;
}

/** `tcp dport set 22`: behind it the packet is another. */
function rewrites(expression: Expression): boolean {
  const [key, of] = entryOf(expression);
  if (key !== 'mangle' || typeof of !== 'object' || of === null || !('key' in of)) return false;
  return entryOf(of.key)[0] === 'payload';
}

/** `tcp dport vmap { 22 : accept, 80 : jump web }`: the verdict of the key that is the packet's. */
function mapped(vmap: unknown, table: Table, circumstances: Circumstances): readonly Step[] {
  if (typeof vmap !== 'object' || vmap === null || !('key' in vmap && 'data' in vmap)) return [];
  const { key: left, data } = vmap;
  const found: Step[] = [];
  let otherwise: Act | undefined;
  for (const pair of elementsOf(data, table)) {
    const [key, verdict]: readonly unknown[] = Array.isArray(pair) ? pair : [];
    const act = actOf(entryOf(verdict)[0] ?? '', verdict);
    if (act && key === '*') otherwise = act;
    else if (act) {
      const truth = equals(table, left, key, circumstances);
      if (truth !== 'no') found.push({ truth, act });
    }
  }
  if (otherwise && !found.some(({ truth }) => truth === 'yes'))
    found.push({ truth: found.length > 0 ? 'maybe' : 'yes', act: otherwise });
  return found;
}

function elementsOf(data: unknown, table: Table): readonly unknown[] {
  if (typeof data === 'string') return table.sets.get(data.slice(1)) ?? [];
  const [key, of] = entryOf(data);
  return key === 'set' && Array.isArray(of) ? of : [];
}
