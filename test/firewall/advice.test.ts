import assert from 'node:assert/strict';
import fc from 'fast-check';
import { firewallAdvice, type HostFacts } from '../../src/firewall/advice.js';
import { parseRuleset } from '../../src/firewall/ruleset.js';
import { loads } from '../config/support/parsed.js';

/** `nft -j` of one input chain with these rules; `extra` are further objects. */
function ruleset(
  policy: string,
  rules: readonly unknown[][],
  extra: readonly unknown[] = [],
): string {
  const at = { family: 'inet', table: 'filter' };
  const chain = { ...at, name: 'input', type: 'filter', hook: 'input', prio: 0, policy };
  return JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      { table: { family: 'inet', name: 'filter', handle: 1 } },
      { chain },
      ...extra,
      ...rules.map((expr, handle) => ({ rule: { ...at, chain: 'input', handle, expr } })),
    ],
  });
}

const dport = (right: unknown, protocol = 'tcp', op = '==') => ({
  match: { op, left: { payload: { protocol, field: 'dport' } }, right },
});
const ACCEPT = { accept: null };
const DROP = { drop: null };
const admit = (set: string, address = 'ip') => [
  {
    match: {
      op: '==',
      left: {
        concat: [
          { payload: { protocol: address, field: 'saddr' } },
          { meta: { key: 'l4proto' } },
          { payload: { protocol: 'th', field: 'dport' } },
        ],
      },
      right: `@${set}`,
    },
  },
  ACCEPT,
];

interface Asked {
  readonly options?: string;
  readonly allow?: string;
  readonly sequence?: string;
  readonly door?: string;
  readonly facts?: HostFacts;
  readonly listing?: string;
}

/** What is advised for one door, as `CODE message`. */
function advised(json: string, asked: Asked = {}): readonly string[] {
  const { options = 'nft_table = inet filter', allow = '22/tcp', sequence = '1,3,2' } = asked;
  const text = `[options]\n${options}\n[d]\nsequence = ${sequence}\nallow = ${allow}\n${asked.door ?? ''}`;
  return firewallAdvice(loads(text), parseRuleset(json, asked.listing), asked.facts).map(
    ({ code, message }) => `${code.replace('POSTERN_W_FIREWALL_', '')} ${message}`,
  );
}

const V4 = { families: [4] } as const;

describe('advice on the firewall', () => {
  it('names the chain that drops, and the rule to add in one’s own table', () => {
    assert.deepEqual(advised(ruleset('drop', []), { facts: V4 }), [
      'SHUT door [d]: 22/tcp over IPv4 would still be shut after a knock: table inet filter chain ' +
        'input drops what none of its rules accepts; add there, before it is dropped: ' +
        '"ip saddr . meta l4proto . th dport @allow4 accept"',
    ]);
  });

  it('says of another table that sets are not seen there', () => {
    const [found = ''] = advised(ruleset('accept', [[dport(22), DROP]]), {
      options: 'nft_table = inet other',
    });
    assert.match(found, /^SHUT .*chain input has a rule that drops it; .*own table only/);
  });

  it('says with the guard that the port is to be accepted for everyone', () => {
    const [found = ''] = advised(ruleset('drop', []), { options: 'nft_guard = yes' });
    assert.match(found, /^SHUT .*accept the port there for everyone; the guard keeps it shut/);
    assert.deepEqual(advised(ruleset('accept', []), { options: 'nft_guard = yes' }), []);
  });

  it('says of what nothing drops that it is open, and what accepts it', () => {
    assert.match(advised(ruleset('accept', []))[0] ?? '', /^OPEN .*nothing drops it/);
    assert.match(
      advised(ruleset('drop', [[dport(22), ACCEPT]]))[0] ?? '',
      /^OPEN .*table inet filter chain input accepts it/,
    );
    const without = advised(ruleset('accept', []), { options: '' });
    assert.match(without[0] ?? '', /add nft_guard = yes/);
  });

  it('tells ports and ranges, TCP and UDP apart, and joins what it says of several', () => {
    const rules = [admit('allow4'), admit('allow6', 'ip6'), admit('allow4r')];
    const found = advised(ruleset('drop', rules), { allow: '22/tcp, 53/udp, 100-200/udp' });
    assert.equal(found.length, 1);
    assert.match(
      found[0] ?? '',
      /^SHUT door \[d\]: 100-200\/udp over IPv6 .*ip6 .*@allow6r accept/,
    );
    const both = advised(ruleset('drop', []), {
      options: 'nft_guard = yes',
      allow: '22/tcp,53/udp',
    });
    assert.equal(both.length, 1);
    assert.match(both[0] ?? '', /\[d\]: 22\/tcp, 53\/udp would/);
  });

  it('says that it cannot be told where a rule is about a part of the range', () => {
    const rules = [[dport({ range: [150, 300] }, 'udp'), DROP]];
    const [found = ''] = advised(ruleset('accept', rules), {
      allow: '100-200/udp',
      options: 'nft_guard = yes',
      facts: V4,
    });
    assert.match(found, /^UNKNOWN .* after a knock; .*chain input \(a part of the ports\)/);
  });

  it('says so too of what it has never heard of, and of a door with a Target', () => {
    const guard = { options: 'nft_guard = yes', facts: V4 };
    for (const odd of [{ phase: { of: 'the moon' } }, { xt: null }, 'odd', { match: 5 }])
      assert.match(advised(ruleset('accept', [[odd, DROP]]), guard)[0] ?? '', /^UNKNOWN /);
    const target = advised(ruleset('accept', []), { ...guard, door: 'target = 192.0.2.9' });
    assert.match(target[0] ?? '', /^UNKNOWN .*Target/);
  });

  it('says nothing of doubtful rules that decide nothing', () => {
    const rules = [
      [{ phase: 1 }, ACCEPT],
      [{ phase: 1 }, { counter: null }],
    ];
    assert.deepEqual(advised(ruleset('accept', rules), { options: 'nft_guard = yes' }), []);
  });

  it('reads what iptables matches from the listing, and takes no half of a match', () => {
    const xt = { xt: { type: 'match', name: 'conntrack' } };
    const listing = (text: string) =>
      `table inet filter {\n\tchain input {\n\t\t${text} # handle 0\n`;
    const asked = { options: 'nft_guard = yes', facts: V4 };
    const json = ruleset('accept', [[xt, DROP]]);
    const said = (text: string) => advised(json, { ...asked, listing: listing(text) });
    assert.deepEqual(said('ct state invalid counter drop'), []);
    assert.match(said('ct state invalid,new drop')[0] ?? '', /^SHUT/);
    assert.match(
      said('ct state new ct status snat drop')[0] ?? '',
      /^UNKNOWN .*conntrack of iptables/,
    );
    assert.match(said('xt match "conntrack" drop')[0] ?? '', /^UNKNOWN/);
    assert.match(said('comment "ct state invalid" drop')[0] ?? '', /^UNKNOWN/);
  });

  it('never holds a port of a sequence, also where a door allows it', () => {
    for (const sequence of ['22,3,2', '1,22:udp,4']) {
      const found = advised(ruleset('drop', []), { sequence });
      assert.match(found[0] ?? '', /entry 1 of allow/);
      assert.doesNotMatch(found.join('\n'), /22/);
    }
  });

  it('is given for any JSON of a ruleset, without throwing', () => {
    const object = fc.oneof(
      fc.record({
        rule: fc.record({
          family: fc.constant('inet'),
          table: fc.constant('filter'),
          chain: fc.constant('input'),
          handle: fc.nat(),
          expr: fc.array(expression()),
        }),
      }),
      fc.dictionary(fc.constantFrom('table', 'chain', 'set', 'map', 'flowtable'), fc.jsonValue()),
    );
    fc.assert(
      fc.property(fc.array(object), (extra) => {
        for (const line of advised(ruleset('drop', [], extra)))
          assert.match(line, /^(SHUT|OPEN|UNKNOWN) /);
      }),
      { numRuns: 300 },
    );
  });
});

/** Expressions of known keys with anything below them. */
function expression(): fc.Arbitrary<unknown> {
  const keys = [
    'match',
    'vmap',
    'jump',
    'goto',
    'accept',
    'limit',
    'set',
    'meter',
    'xt',
    'mangle',
    'x',
  ];
  const left = fc.oneof(
    fc.constantFrom<unknown>(
      { payload: { protocol: 'tcp', field: 'dport' } },
      { payload: { protocol: 'ip', field: 'saddr' } },
      { ct: { key: 'state' } },
      { meta: { key: 'iifname' } },
      { '&': [{ payload: { protocol: 'tcp', field: 'flags' } }, 'syn'] },
    ),
    fc.jsonValue(),
  );
  const right = fc.oneof(
    fc.constantFrom<unknown>(
      22,
      '@allow4',
      '@none',
      { range: [1] },
      { prefix: { addr: 'x', len: 9 } },
    ),
    fc.constantFrom<unknown>({ prefix: { addr: '10.0.0.0', len: 99 } }, { set: [[1]] }, { set: 5 }),
    fc.jsonValue(),
  );
  const op = fc.constantFrom('==', '!=', '<', 'in', '');
  return fc.oneof(
    fc.record({ match: fc.record({ op, left, right }) }),
    fc.record({
      vmap: fc.record({
        key: left,
        data: fc.oneof(right, fc.record({ set: fc.array(fc.tuple(right, fc.jsonValue())) })),
      }),
    }),
    fc.dictionary(fc.constantFrom(...keys), fc.jsonValue(), { minKeys: 1, maxKeys: 1 }),
    fc.jsonValue(),
  );
}
