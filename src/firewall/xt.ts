/**
 * Rules of iptables (on nf_tables) use extensions that JSON shows by name only. The textual listing
 * translates the common ones; here they become the expressions that nftables would have itself.
 */

/** Extensions whose statement changes nothing about whether a packet passes. */
const HARMLESS = new Set(['LOG', 'NFLOG', 'TRACE', 'TCPMSS', 'AUDIT', 'CONNMARK', 'ULOG']);

/** Extensions that match IPv6 packets by a header which connections do not have. */
const HEADERS = new Set(['rt', 'frag', 'hbh', 'dst', 'ah', 'esp', 'mh']);

/** Expressions with what is known of extensions translated; the rest stays as it is. */
export function withoutXt(expressions: readonly unknown[], text: string): readonly unknown[] {
  const translated = translations(expressions, text);
  return expressions.flatMap((expression) => {
    const xt = xtOf(expression);
    if (xt === undefined) return [expression];
    if (xt.type === 'target') return [target(xt.name) ?? expression];
    if (xt.name === 'comment') return [];
    if (HEADERS.has(xt.name)) return [match('', { exthdr: {} }, true)];
    return [translated.next(xt.name) ?? expression];
  });
}

/** The extension that an expression is, by its name in JSON. */
export function xtOf(expression: unknown): { type: string; name: string } | undefined {
  if (typeof expression !== 'object' || expression === null || !('xt' in expression))
    return undefined;
  const { xt } = expression;
  if (typeof xt !== 'object' || xt === null) return { type: '', name: '' };
  return {
    type: 'type' in xt ? String(xt.type) : '',
    name: 'name' in xt ? String(xt.name) : '',
  };
}

function target(name: string): unknown {
  if (name === 'REJECT') return { reject: null };
  if (name === 'DNAT' || name === 'REDIRECT') return { dnat: null };
  if (name === 'CT' || name === 'NOTRACK') return { notrack: null };
  return HARMLESS.has(name) ? { log: null } : undefined;
}

interface Translation {
  readonly names: readonly string[];
  readonly pattern: RegExp;
  /** Found in the text: the extension says more than the pattern holds. */
  readonly other?: RegExp;
  make(found: readonly string[]): unknown;
}

const TRANSLATIONS: readonly Translation[] = [
  {
    names: ['conntrack', 'state'],
    pattern: /\bct state (!= )?([a-z,]+)(?= |$)/g,
    other: /\bct (?!state )/,
    make: ([not = '', states = '']) =>
      match(not || 'in', { ct: { key: 'state' } }, states.split(',')),
  },
  {
    names: ['multiport'],
    pattern: /\b(tcp|udp) (dport|sport) (!= )?\{ ([^}]*) \}/g,
    make: ([protocol, field, not = '', ports = '']) =>
      match(not, { payload: { protocol, field } }, { set: ports.split(', ').map(portsOf) }),
  },
  {
    names: ['addrtype'],
    pattern: /\bfib (daddr|saddr) type (!= )?([a-z]+)(?= |$)/g,
    make: ([field, not = '', type]) =>
      match(not, { fib: { result: 'type', flags: [field] } }, type),
  },
];

function match(op: string, left: unknown, right: unknown): unknown {
  return { match: { op: op.trim() || '==', left, right } };
}

function portsOf(text: string): unknown {
  const [from, to] = text.split('-').map(Number);
  return to === undefined ? from : { range: [from, to] };
}

/**
 * The translated parts of a rule, in their order. An extension that becomes more or fewer parts than
 * one, or others than those known here, is left as it is: half of a match would be a wrong one.
 */
function translations(
  expressions: readonly unknown[],
  text: string,
): { next(name: string): unknown } {
  const plain = text.replace(/"[^"]*"/g, '""');
  const used = expressions.map((expression) => xtOf(expression)?.name ?? '');
  const found = TRANSLATIONS.map(({ names, pattern, other, make }) => {
    const parts = [...plain.matchAll(pattern)].map(([, ...groups]) => make(groups));
    const wanted = used.filter((name) => names.includes(name)).length;
    return { names, parts: parts.length === wanted && !other?.test(plain) ? parts : [] };
  });
  return { next: (name) => found.find(({ names }) => names.includes(name))?.parts.shift() };
}
