/**
 * A connection's first packet on its way through every chain that it meets. In nftables each base
 * chain decides for itself: an accept ends only the chain it stands in, a drop ends everything.
 */
import type { Connection } from './connection.js';
import { entryOf } from './json.js';
import type { Circumstances } from './match.js';
import type { Chain, Rule, Table } from './ruleset.js';
import { type Act, holds, type Step, stepsOf, type Verdict } from './statements.js';
import { and, type Truth } from './truth.js';

export interface Ending {
  readonly verdict: Verdict;
  /** The base chain. */
  readonly chain: Chain;
  /** By its policy, or else by a rule of it, or of a chain that it jumps to. */
  readonly by: 'rule' | 'policy';
}

export interface Judgement {
  readonly outcome: 'open' | 'shut' | 'unknown';
  /** Where it is or may be dropped. */
  readonly drops: readonly Ending[];
  /** A chain with a rule that accepts it, if there is one. */
  readonly accepts: readonly Ending[];
  /** What could not be judged, where that decides. */
  readonly doubts: readonly string[];
}

/** The hooks on the way to a program of this host, in their order. */
const HOOKS: readonly string[] = ['ingress', 'prerouting', 'input'];

/** Follows the connection through the ruleset; tables for which `skip` holds are left out. */
export function judge(
  tables: readonly Table[],
  connection: Connection,
  skip: (table: Table) => boolean,
): Judgement {
  const walk = new Walk(connection);
  const chains = tables.filter((table) => !skip(table) && concerns(table, connection));
  const endings = baseChains(chains).map((chain) => walk.base(chain));
  const all = endings.flat();
  const drops = all.filter(({ verdict }) => verdict === 'drop');
  const accepts = all.filter(({ verdict, by }) => verdict === 'accept' && by === 'rule');
  const away = all.some(({ verdict }) => verdict === 'elsewhere');
  const shut = endings.find(isShut);
  if (shut && !away) return { outcome: 'shut', drops: shut, accepts, doubts: [] };
  const outcome = drops.length > 0 || away ? 'unknown' : 'open';
  return { outcome, drops, accepts, doubts: outcome === 'unknown' ? [...walk.doubts] : [] };
}

/** Frames of other interfaces may be all that these see. */
const LINK_FAMILIES = new Set(['netdev', 'bridge']);

function isShut(endings: readonly Ending[]): boolean {
  return endings.every(
    ({ verdict, chain }) => verdict === 'drop' && !LINK_FAMILIES.has(chain.table.family),
  );
}

function concerns({ family }: Table, connection: Connection): boolean {
  if (family === 'ip' || family === 'ip6')
    return family === (connection.family === 4 ? 'ip' : 'ip6');
  return family === 'inet' || LINK_FAMILIES.has(family);
}

function baseChains(tables: readonly Table[]): readonly Chain[] {
  const rank = ({ hook }: Chain) => HOOKS.indexOf(hook?.name ?? '');
  return tables
    .flatMap(({ chains }) => [...chains.values()])
    .filter((chain) => rank(chain) >= 0)
    .toSorted(
      (one, other) =>
        rank(one) - rank(other) || (one.hook?.priority ?? 0) - (other.hook?.priority ?? 0),
    );
}

/** What may become of the packet in a chain: verdicts, and whether the chain may come to its end. */
interface Passage {
  readonly verdicts: ReadonlySet<Verdict>;
  readonly falls: boolean;
}

const THROUGH: Passage = { verdicts: new Set(), falls: true };

/** nft itself allows no more than 16 jumps into one another. */
const DEEPEST = 20;

class Walk {
  readonly doubts = new Set<string>();
  readonly #connection: Connection;
  readonly #known = new Map<Chain, Passage>();
  #tracked = true;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  base(chain: Chain): readonly Ending[] {
    const { verdicts, falls } = this.#chain(chain, 0);
    const endings = [...verdicts].map((verdict): Ending => ({ verdict, chain, by: 'rule' }));
    const verdict = chain.hook?.policy ?? 'accept';
    return falls ? [...endings, { verdict, chain, by: 'policy' }] : endings;
  }

  #chain(chain: Chain, depth: number): Passage {
    if (depth > DEEPEST) return { verdicts: new Set(['elsewhere']), falls: true };
    const known = this.#known.get(chain);
    if (known) return known;
    const passage = this.#rules(chain, depth);
    this.#known.set(chain, passage);
    return passage;
  }

  #rules(chain: Chain, depth: number): Passage {
    const verdicts = new Set<Verdict>();
    let returns = false;
    for (const rule of chain.rules) {
      const { steps, doubts } = this.#steps(rule, chain.table);
      for (const { truth, act } of steps) {
        const done = this.#act(act, chain.table, depth);
        for (const verdict of done.verdicts) verdicts.add(verdict);
        if (done.verdicts.size > 0) for (const what of doubts) this.doubts.add(what);
        if (truth === 'yes' && done.ends) return { verdicts, falls: returns || done.falls };
        returns ||= done.ends && done.falls;
      }
    }
    return { verdicts, falls: true };
  }

  /** What an act that applies leads to; `ends`: the rules behind it are not asked. */
  #act(act: Act, { chains }: Table, depth: number): Passage & { readonly ends: boolean } {
    if (act.kind === 'verdict')
      return { verdicts: new Set([act.verdict]), falls: false, ends: true };
    if (act.kind === 'return') return { ...THROUGH, ends: true };
    const target = chains.get(act.target);
    const passage = target ? this.#chain(target, depth + 1) : THROUGH;
    return { ...passage, ends: act.kind === 'goto' || !passage.falls };
  }

  /** What a rule does to the packet. No step: the next rule is asked. */
  #steps(
    rule: Rule,
    table: Table,
  ): { readonly steps: readonly Step[]; readonly doubts: readonly string[] } {
    let truth: Truth = 'yes';
    const doubts: string[] = [];
    const circumstances: Circumstances = {
      connection: this.#connection,
      tracked: this.#tracked,
      doubt: (what) => doubts.push(what),
    };
    for (const expression of rule.expressions) {
      const [key = '', of] = entryOf(expression);
      const steps = stepsOf(expression, table, circumstances);
      if (steps) {
        const possible = steps.map((step) => ({ ...step, truth: and(truth, step.truth) }));
        return { steps: possible, doubts };
      }
      truth = and(truth, holds(key, of, table, circumstances));
      if (truth === 'no') break;
      if (key === 'notrack') this.#untracked();
    }
    return { steps: [], doubts };
  }

  #untracked(): void {
    this.#tracked = false;
    this.#known.clear();
  }
}
