/** Readers of what concerns the firewall: `allow` and `nft_table`. No message holds a number of the file. */
import type { Protocol } from '../machines/types.js';
import { quoted } from './diagnostics.js';
import { indent, trim } from './lines.js';
import { bad, good, type Reading } from './reading.js';
import type { AllowRule, NftTable } from './types.js';

const EXAMPLE = 'such as 22/tcp or 8000-8010/udp';

/**
 * `22/tcp, 60000-61000/udp`: what a door lets its source reach. Entries that overlap become one,
 * because a set of intervals refuses overlapping ones (nft(8), EEXIST).
 */
export function allowRules(text: string): Reading<readonly AllowRule[]> {
  let rules: readonly AllowRule[] = [];
  let offset = 0;
  for (const [index, token] of text.split(',').entries()) {
    const rule = readAllowRule(token);
    if (typeof rule === 'string')
      return bad(`${rule} at entry ${index + 1}`, offset + indent(token));
    rules = withRule(rules, rule);
    offset += token.length + 1;
  }
  return good(rules);
}

/** An entry, or what is wrong with it. */
function readAllowRule(token: string): AllowRule | string {
  const entry = trim(token);
  if (entry === '') return `takes ports with their protocol, ${EXAMPLE}; there is nothing`;
  const [ports = '', word, ...extra] = entry.split('/').map(trim);
  const protocol = word === undefined ? undefined : protocolOf(word);
  if (protocol === undefined || extra.length > 0)
    return `needs a protocol behind each port, /tcp or /udp (${EXAMPLE}); there is ${quoted(entry)}`;
  const [, low, high = low] = /^([0-9]{1,5})(?: *- *([0-9]{1,5}))?$/.exec(ports) ?? [];
  const [from, to] = [Number(low ?? 0), Number(high ?? 0)];
  if (from < 1 || to > 65_535 || from > to)
    return `takes a port from 1 to 65535, or a range low-high, ${EXAMPLE}; there is ${quoted(entry)}`;
  return { protocol, from, to };
}

function protocolOf(word: string): Protocol | undefined {
  const lower = word.toLowerCase();
  return lower === 'tcp' || lower === 'udp' ? lower : undefined;
}

function withRule(rules: readonly AllowRule[], added: AllowRule): readonly AllowRule[] {
  const touched = rules.filter((rule) => overlap(rule, added));
  const from = Math.min(added.from, ...touched.map((rule) => rule.from));
  const to = Math.max(added.to, ...touched.map((rule) => rule.to));
  const others = rules.filter((rule) => !touched.includes(rule));
  return [...others, { protocol: added.protocol, from, to }];
}

function overlap(one: AllowRule, other: AllowRule): boolean {
  return one.protocol === other.protocol && one.from <= other.to && other.from <= one.to;
}

/** nft's identifiers; a longer one is nobody's table. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

/** `inet filter`: a table of the user's. */
export function nftTable(text: string): Reading<NftTable> {
  const [word = '', name = '', ...extra] = text.split(/\s+/);
  const family = familyOf(word.toLowerCase());
  if (family === undefined || extra.length > 0 || !IDENTIFIER.test(name))
    return bad('takes the family and the name of a table, such as inet filter (or ip, ip6)');
  if (family === 'inet' && name === 'postern')
    return bad("takes a table of your own; inet postern is postern's (leave nft_table out for it)");
  return good({ family, name });
}

function familyOf(word: string): NftTable['family'] | undefined {
  return word === 'inet' || word === 'ip' || word === 'ip6' ? word : undefined;
}
