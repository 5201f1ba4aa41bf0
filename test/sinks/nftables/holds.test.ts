import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AllowRule } from '../../../config/types.js';
import { type Element, keyOf } from '../../../sinks/nftables/element.js';
import { type Hold, Holds } from '../../../sinks/nftables/holds.js';

const SOURCE = '192.0.2.2';

const rule = fc
  .record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    from: fc.integer({ min: 1, max: 12 }),
    width: fc.integer({ min: 0, max: 6 }),
  })
  .map(({ protocol, from, width }): AllowRule => ({ protocol, from, to: from + width }));
const step = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  open: fc.boolean(),
  rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
  deadlineMs: fc.integer({ min: 1, max: 5 }),
});

interface Entry {
  readonly element: Element;
  readonly deadlineMs: number;
}

const covers = (port: number) => (rule: AllowRule) => rule.from <= port && port <= rule.to;

describe('grants that share elements', () => {
  it('each port is open until the latest deadline of its grants, and no other port is', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const holds = new Holds();
        const live = new Map<string, Hold>();
        const kernel = new Map<string, Entry>();
        for (const { id, open, rules, deadlineMs } of steps) {
          const former = live.get(id);
          const hold = { id, source: SOURCE, rules: former?.rules ?? rules, deadlineMs };
          if (open) live.set(id, hold);
          else live.delete(id);
          const { puts, drops } = open ? holds.hold(hold) : holds.release(id, SOURCE, hold.rules);
          for (const element of drops) {
            assert.ok(kernel.delete(keyOf(element)) || former === undefined, 'it was there');
          }
          for (const put of puts) {
            assert.equal(put.known, kernel.has(keyOf(put.element)));
            kernel.set(keyOf(put.element), put);
          }
          asTheGrantsSay([...live.values()], [...kernel.values()]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function asTheGrantsSay(live: readonly Hold[], kernel: readonly Entry[]): void {
  for (const protocol of ['tcp', 'udp'] as const) {
    const entries = kernel.filter(({ element }) => element.ports.protocol === protocol);
    for (let port = 1; port <= 20; port += 1) {
      const wanted = live.flatMap(({ rules, deadlineMs }) =>
        rules.filter((each) => each.protocol === protocol).some(covers(port)) ? [deadlineMs] : [],
      );
      const found = entries.filter(({ element }) => covers(port)(element.ports));
      const latest = (list: readonly number[]) => Math.max(0, ...list);
      const open = latest(found.map(({ deadlineMs }) => deadlineMs));
      assert.equal(open, latest(wanted), `${protocol} ${port}`);
      const ranged = found.filter(({ element }) => element.ports.ranged);
      assert.ok(ranged.length <= 1, 'an interval set takes no overlaps');
    }
  }
}
