import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Packet } from '../../machines/types.js';
import { DormantTable } from '../../src/knocks/dormant.js';

function packetOf(source: string, atMs: number, port = 7000): Packet {
  return {
    atMs,
    source,
    destination: '192.0.2.1',
    protocol: port % 2 === 0 ? 'tcp' : 'udp',
    sourcePort: 40000 + (port % 1000),
    port,
    flags: 2,
    sequence: (port * 7919) >>> 0,
    interfaceIndex: 1,
  };
}

const add = (table: DormantTable, packet: Packet) =>
  table.add({ type: 'STRAY', packet, local: true, generation: 3 }, true);

describe('the dormant table', () => {
  it('gives back exactly the packet that it remembered', () => {
    const table = new DormantTable(10);
    for (const source of ['198.51.100.7', 'fd00:db8::7']) {
      const packet = packetOf(source, 12.5, 65535);
      add(table, packet);
      assert.deepEqual(table.wake(source), {
        type: 'STRAY',
        packet,
        local: true,
        generation: 3,
      });
      assert.equal(table.wake(source), undefined);
    }
  });

  it('behaves like a bounded map in order of arrival, whatever comes', () => {
    const source = fc.integer({ min: 0, max: 60 }).map((n) => `10.0.0.${n}`);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), source }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('wake' as const), source }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), ms: fc.nat(60) }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (steps, max) => {
          const table = new DormantTable(max);
          const model = new Map<string, Packet>();
          steps.forEach((s, now) => {
            if (s.do === 'add') {
              if (model.has(s.source)) return;
              const full = model.size === max;
              const [oldest] = model.keys();
              if (full && oldest !== undefined) model.delete(oldest);
              const packet = packetOf(s.source, now, 1 + (now % 65535));
              model.set(s.source, packet);
              assert.equal(add(table, packet), full);
            } else if (s.do === 'wake') {
              assert.deepEqual(table.wake(s.source)?.packet, model.get(s.source));
              model.delete(s.source);
            } else {
              const expired: string[] = [];
              table.expire(now - s.ms, ({ packet }) => expired.push(packet.source));
              const due = [...model].filter(([, p]) => p.atMs <= now - s.ms).map(([key]) => key);
              assert.deepEqual(expired, due);
              for (const key of due) model.delete(key);
            }
            assert.equal(table.size, model.size);
          });
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('grows on demand to its bound, evicts the oldest in constant time, and gives memory back', () => {
    const max = 200_000;
    const table = new DormantTable(max);
    let evicted = 0;
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 3 * max; i++) {
      const source = `10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`;
      if (add(table, packetOf(source, i))) evicted++;
    }
    assert.equal(table.size, max);
    assert.equal(evicted, 2 * max);
    assert.ok(process.memoryUsage().arrayBuffers - before < 128 * 200_000, 'below 128 bytes each');
    assert.equal(table.oldestMs(), 2 * max);
    table.expire(Number.POSITIVE_INFINITY, () => {});
    assert.equal(table.size, 0);
    assert.equal(table.oldestMs(), Number.POSITIVE_INFINITY);
    assert.equal(table.capacity, 1024);
  });
});
