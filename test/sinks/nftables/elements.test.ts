import assert from 'node:assert/strict';
import fc from 'fast-check';
import { canonicalAddress } from '../../../config/address.js';
import type { AllowRule } from '../../../config/types.js';
import { Element, type Ports } from '../../../sinks/nftables/element.js';
import { guardedPorts } from '../../../sinks/nftables/guard.js';
import { Script, TableName } from '../../../sinks/nftables/script.js';

const STATEMENT =
  /^(add|delete) element inet postern allow[46]r? \{ [\da-f.:]+ \. (tcp|udp) \. \d+(-\d+)?( timeout \d+ms)? \}$/;

describe('what nft is told (T7)', () => {
  const table = TableName.of({ family: 'inet', name: 'postern' });
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom(
      '::ffff:192.0.2.1',
      'fe80::1%eth0; flush ruleset',
      '192.0.2.1 }; flush ruleset',
    ),
    fc.string().map((text) => `192.0.2.1${text}`),
  );

  it('is made of parsed addresses and integers, whatever it is given', () => {
    const ports = fc.record({
      protocol: fc.oneof(fc.constantFrom('tcp', 'udp'), fc.string()),
      from: fc.oneof(fc.integer({ min: -5, max: 70_000 }), fc.double(), fc.string()),
      to: fc.oneof(fc.integer({ min: -5, max: 70_000 }), fc.double(), fc.string()),
      ranged: fc.boolean(),
    });
    const timeouts = fc.oneof(fc.constant(null), fc.constant('absent' as const), fc.double());
    let made = 0;
    fc.assert(
      fc.property(anything, ports, timeouts, fc.boolean(), (source, value, timeoutMs, known) => {
        let element: Element;
        try {
          element = Element.of(source, value as Ports);
        } catch {
          return;
        }
        made += 1;
        if (Number.isNaN(timeoutMs)) return;
        const { text } = Script.change(table, [{ element, timeoutMs, known }]);
        for (const statement of text.split('; ')) assert.match(statement, STATEMENT);
        assert.ok(element.text.startsWith(`${canonicalAddress(source)} . `));
      }),
      {
        numRuns: 3000,
        examples: [['192.0.2.1', { protocol: 'tcp', from: 1, to: 2, ranged: true }, 0.5, true]],
      },
    );
    assert.ok(made > 0);
  });

  it('a table’s name is an identifier or an error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constant('a; flush ruleset')), (name) => {
        let text: string;
        try {
          ({ text } = TableName.of({ family: 'inet', name }));
        } catch (error) {
          assert.match(String(error), /nft_table/);
          return;
        }
        assert.match(text, /^inet [\w.-]+$/);
      }),
    );
  });
});

describe('what the guard closes', () => {
  it('is every allowed port and no other, in ranges that do not touch', () => {
    const rule = fc
      .record({
        protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        from: fc.integer({ min: 1, max: 40 }),
        width: fc.integer({ min: 0, max: 8 }),
      })
      .map(({ protocol, from, width }): AllowRule => ({ protocol, from, to: from + width }));
    fc.assert(
      fc.property(fc.array(rule), (rules) => {
        const guarded = guardedPorts(rules);
        for (const protocol of ['tcp', 'udp'] as const) {
          const ranges = guarded.find((each) => each.protocol === protocol)?.ports ?? [];
          for (let port = 1; port <= 50; port += 1) {
            const covers = ({ from, to }: { from: number; to: number }) =>
              from <= port && port <= to;
            const wanted = rules.some((each) => each.protocol === protocol && covers(each));
            assert.equal(ranges.some(covers), wanted, `${protocol} ${port}`);
          }
          for (const [i, { from }] of ranges.slice(1).entries())
            assert.ok(from > (ranges[i]?.to ?? 0) + 1);
        }
      }),
    );
  });
});
