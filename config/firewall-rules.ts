/** Reads iptables commands out of a shell command, just well enough to compare a start and a stop. */

/** One `iptables -A|-I|-D …` among the commands of a line. */
export interface RuleChange {
  readonly kind: 'add' | 'delete';
  /** Table, chain and specification, blanks made single, the position of an insertion left out. */
  readonly rule: string;
  /** `-D CHAIN 1`: deletes whatever is there. */
  readonly byNumber: boolean;
  readonly tool: string;
}

/** What stands between the commands of a line. Quotes are not understood: rules rarely hold any. */
const SEPARATORS = /[;&|\n]+/;

const TOOL = /(?:^|[\s/])(ip6?tables)(?:-(?:nft|legacy))?\s+(.*)$/s;

const KINDS: Readonly<Record<string, RuleChange['kind']>> = {
  '-A': 'add',
  '--append': 'add',
  '-I': 'add',
  '--insert': 'add',
  '-D': 'delete',
  '--delete': 'delete',
};

export function ruleChangesOf(command: string): readonly RuleChange[] {
  return command
    .split(SEPARATORS)
    .map(ruleChangeOf)
    .filter((change) => change !== undefined);
}

function ruleChangeOf(command: string): RuleChange | undefined {
  const [, tool = '', text = ''] = TOOL.exec(command) ?? [];
  const words = text.replace(/["']/g, '').split(/\s+/).filter(Boolean);
  const at = words.findIndex((word) => Object.hasOwn(KINDS, word));
  const kind = KINDS[words[at] ?? ''];
  if (kind === undefined) return undefined;
  const before = words.slice(0, at).filter((word) => !/^(-w|--wait)$/.test(word));
  const [chain = '', ...rest] = words.slice(at + 1);
  const numbered = /^\d+$/.test(rest[0] ?? '');
  const rule = [...before, chain, ...(numbered ? rest.slice(1) : rest)].map(longForm).join(' ');
  return { kind, rule, byNumber: numbered, tool };
}

/** Options that have two spellings, by their long one. */
const LONG: Readonly<Record<string, string>> = {
  '-s': '--source',
  '--src': '--source',
  '-d': '--destination',
  '--dst': '--destination',
  '-p': '--protocol',
  '-j': '--jump',
  '-i': '--in-interface',
  '-o': '--out-interface',
  '-m': '--match',
  '-t': '--table',
  '--dport': '--destination-port',
  '--sport': '--source-port',
};

function longForm(word: string): string {
  return Object.hasOwn(LONG, word) ? (LONG[word] ?? word) : word;
}

/** Whether one command adds just the rule that the other deletes. */
export function sameRule(one: RuleChange, other: RuleChange): boolean {
  return one.tool === other.tool && one.rule === other.rule;
}
