/**
 * What the host's firewall does to doors with `allow`, in words: whether one that is opened would
 * still be shut, or one that is shut is open. What cannot be told is said so, never guessed.
 */
import type { AllowRule, Configuration, Diagnostic, Door } from '../../config/types.js';
import { OWN_TABLE } from '../../sinks/nftables/script.js';
import { type Connection, setOf } from './connection.js';
import type { Table } from './ruleset.js';
import type { Family } from './sources.js';
import { type Judgement, judge } from './walk.js';

/** A finding of the firewall's; it is about the place of the door in the configuration. */
export type Finding = Diagnostic;

export interface HostFacts {
  /** Interfaces that connections come in on; without them it is any but the loopback. */
  readonly interfaces?: readonly string[];
  /** Families that the host has addresses of; both if not given. */
  readonly families?: readonly Family[];
}

type Code = 'POSTERN_W_FIREWALL_SHUT' | 'POSTERN_W_FIREWALL_OPEN' | 'POSTERN_W_FIREWALL_UNKNOWN';

interface Remark {
  readonly code: Code;
  /** What of the door it is about: `22/tcp`. */
  readonly entry: string;
  readonly family: Family;
  /** Completes a sentence that begins with the entries. */
  readonly text: string;
}

/**
 * Judges every door with `allow` by the ruleset: a new connection from a source that no rule names,
 * before a knock and after it. postern's own table is taken for what it will be when postern runs.
 */
export function firewallAdvice(
  configuration: Configuration,
  ruleset: readonly Table[],
  facts: HostFacts = {},
): readonly Finding[] {
  return configuration.doors.flatMap((door) => {
    const remarks = door.allow.flatMap((rule, index) => {
      const entry = nameOf(rule, index, configuration.doors);
      return (facts.families ?? [4, 6]).flatMap((family) =>
        remarksOn(door, rule, family, configuration, ruleset, facts).map(({ code, text }) => ({
          code,
          entry,
          family,
          text,
        })),
      );
    });
    return merged(remarks).map(({ code, text }) => findingOf(configuration, door, code, text));
  });
}

/** A finding about a door; also for who cannot read the ruleset at all. */
export function findingOf(
  { file }: Configuration,
  { name, line }: Door,
  code: Code,
  text: string,
): Finding {
  return { severity: 'warning', code, file, line, column: 0, message: `door [${name}]: ${text}` };
}

function remarksOn(
  door: Door,
  rule: AllowRule,
  family: Family,
  { options }: Configuration,
  ruleset: readonly Table[],
  { interfaces = [] }: HostFacts,
): readonly Pick<Remark, 'code' | 'text'>[] {
  if (door.target !== undefined)
    return [unknown('cannot be judged, for the door has a Target, which may be another host')];
  const table = options.nftTable ?? OWN_TABLE;
  const connection: Connection = { ...rule, family, interfaces, table, admitted: false };
  const isOwn = (each: Table) => each.family === OWN_TABLE.family && each.name === OWN_TABLE.name;
  const opened = judge(ruleset, { ...connection, admitted: true }, isOwn);
  const found: Pick<Remark, 'code' | 'text'>[] = [];
  if (opened.outcome === 'shut') found.push(shut(opened, connection, options));
  // The guard keeps it shut, whatever else is there.
  const closed = options.nftGuard ? undefined : judge(ruleset, connection, isOwn);
  if (closed?.outcome === 'open') found.push(open(closed, options));
  const doubtful = [opened, closed].find((judgement) => judgement?.outcome === 'unknown');
  if (doubtful) found.push(unknown(doubtOf(doubtful, closed?.outcome === 'unknown', opened)));
  return found;
}

function unknown(text: string): Pick<Remark, 'code' | 'text'> {
  return { code: 'POSTERN_W_FIREWALL_UNKNOWN', text };
}

type Options = Configuration['options'];

function shut(
  { drops: [drop] }: Judgement,
  connection: Connection,
  { nftTable, nftGuard }: Options,
): Pick<Remark, 'code' | 'text'> {
  const chain = drop?.chain;
  const where = chain ? `${tableOf(chain.table)} chain ${chain.name}` : 'the firewall';
  const how =
    drop?.by === 'policy' ? 'drops what none of its rules accepts' : 'has a rule that drops it';
  const inside =
    nftTable && chain?.table.family === nftTable.family && chain.table.name === nftTable.name;
  const remedy = inside
    ? `add there, before it is dropped: ${accepting(connection)}`
    : nftGuard
      ? 'accept the port there for everyone; the guard keeps it shut for who has not knocked'
      : "postern's sets cannot be used there, for a set is seen in its own table only: accept the " +
        'port there, or name that table as nft_table';
  return {
    code: 'POSTERN_W_FIREWALL_SHUT',
    text: `would still be shut after a knock: ${where} ${how}; ${remedy}`,
  };
}

function open({ accepts }: Judgement, { nftTable }: Options): Pick<Remark, 'code' | 'text'> {
  const [accept] = accepts;
  const why = accept
    ? `${tableOf(accept.chain.table)} chain ${accept.chain.name} accepts it, and nothing drops it`
    : 'nothing drops it';
  const remedy = nftTable
    ? `accept it in ${tableOf(nftTable)} only for sources in postern's sets; or use nft_guard = yes ` +
      'in place of nft_table'
    : 'add nft_guard = yes to [options]';
  return { code: 'POSTERN_W_FIREWALL_OPEN', text: `is open without a knock: ${why}; ${remedy}` };
}

/** The rule to paste. */
function accepting(connection: Connection): string {
  const address = connection.family === 4 ? 'ip' : 'ip6';
  return `"${address} saddr . meta l4proto . th dport @${setOf(connection)} accept"`;
}

function tableOf({ family, name }: { readonly family: string; readonly name: string }): string {
  return `table ${family} ${name}`;
}

function doubtOf(judgement: Judgement, before: boolean, opened: Judgement): string {
  const when = [
    ...(before ? ['before a knock'] : []),
    ...(opened.outcome === 'unknown' ? ['after a knock'] : []),
  ].join(' and ');
  const chains = new Set(
    judgement.drops.map(({ chain }) => `${tableOf(chain.table)} chain ${chain.name}`),
  );
  const where = chains.size > 0 ? ` in ${[...chains].join(', ')}` : '';
  const what = judgement.doubts.length > 0 ? ` (${judgement.doubts.join(', ')})` : '';
  return (
    `may be dropped or not ${when}; that hangs on what is not judged here${where}${what}: ` +
    'try it from another machine'
  );
}

/** One remark for all entries and families of which the same is to be said. */
function merged(remarks: readonly Remark[]): readonly Pick<Remark, 'code' | 'text'>[] {
  const groups = new Map<string, Remark[]>();
  for (const remark of remarks) {
    const key = `${remark.code} ${remark.text}`;
    groups.set(key, [...(groups.get(key) ?? []), remark]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    return [{ code: first.code, text: `${entriesOf(group)} ${first.text}` }];
  });
}

function entriesOf(group: readonly Remark[]): string {
  const entries = [...new Set(group.map(({ entry }) => entry))];
  return entries
    .map((entry) => {
      const families = new Set(group.filter((each) => each.entry === entry).map((e) => e.family));
      return families.size > 1 ? entry : `${entry} over IPv${[...families].join('')}`;
    })
    .join(', ');
}

/** `22/tcp`; but never a port of a sequence (DESIGN 9), should it be one: then its position. */
function nameOf({ protocol, from, to }: AllowRule, index: number, doors: readonly Door[]): string {
  const isKnock = doors.some(
    ({ sequence }) =>
      sequence.kind === 'fixed' && sequence.knocks.some(({ port }) => port === from || port === to),
  );
  if (isKnock) return `entry ${index + 1} of allow`;
  return `${from === to ? from : `${from}-${to}`}/${protocol}`;
}
