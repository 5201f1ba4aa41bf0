import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Packet } from '../../machines/types.js';
import { DormantTable } from '../../src/knocks/dormant.js';
import { seeded } from '../model/recipes.js';

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

/** IPv4 and IPv6, some of them alike but for one word. */
function sourceOf(n: number): string {
  const [a, b, c] = [1 + (n >>> 16), 1 + ((n >>> 9) & 127), 1 + ((n >>> 2) & 127)];
  if (n % 4 > 0) return `${10 + (n % 4)}.${a}.${b}.${c}`;
  return `fd00:${n % 8 === 0 ? 'db8' : 'db9'}:${a.toString(16)}:${b.toString(16)}::${c.toString(16)}`;
}

/** A table beside the map that it should be like. */
class Pair {
  readonly table: DormantTable;
  readonly #model = new Map<string, Packet>();
  #nowMs = 0;

  constructor(max: number) {
    this.table = new DormantTable(max);
  }

  sources(): string[] {
    return [...this.#model.keys()];
  }

  add(source: string): void {
    if (this.#model.has(source)) return;
    const isFull = this.#model.size === this.table.maxSources;
    const [oldest] = this.#model.keys();
    if (isFull && oldest !== undefined) this.#model.delete(oldest);
    const packet = packetOf(source, ++this.#nowMs, 1 + (this.#nowMs % 65535));
    this.#model.set(source, packet);
    assert.equal(add(this.table, packet), isFull);
    assert.equal(this.table.size, this.#model.size);
  }

  wake(source: string): void {
    assert.deepEqual(this.table.wake(source)?.packet, this.#model.get(source));
    this.#model.delete(source);
    const [oldest] = this.#model.values();
    assert.equal(this.table.oldestMs(), oldest?.atMs ?? Number.POSITIVE_INFINITY);
  }

  /** This share of the records. */
  expire(share: number): void {
    const due = this.sources().slice(0, Math.ceil(this.#model.size * share));
    const last = this.#model.get(due.at(-1) ?? '');
    const expired: string[] = [];
    this.table.expire(last?.atMs ?? 0, ({ packet }) => expired.push(packet.source));
    assert.deepEqual(expired, due);
    for (const source of due) this.#model.delete(source);
    assert.equal(this.table.size, this.#model.size);
  }
}

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

  it('remembers a destination that is a target of a door, and no other', () => {
    const table = new DormantTable(10);
    for (const [index, isTarget] of [true, false, true].entries()) {
      const packet = { ...packetOf(`10.0.0.${index}`, 1), destination: `192.0.2.${index}` };
      table.add({ type: 'KNOCK', packet, local: false, generation: 0 }, isTarget);
    }
    const destinations = [0, 1, 2].map(
      (index) => table.wake(`10.0.0.${index}`)?.packet.destination,
    );
    assert.deepEqual(destinations, ['192.0.2.0', '', '192.0.2.2']);
  });

  it('is that map too while it grows, closes gaps and shrinks', () => {
    const phase = fc.record({
      adds: fc.nat(250),
      /** How many of a thousand are woken, at random places. */
      wokenPerMille: fc.constantFrom(0, 100, 500, 800, 990, 1000),
      again: fc.boolean(),
      expiredPerMille: fc.constantFrom(0, 0, 200, 950, 1000),
    });
    const input = fc.record({
      max: fc.integer({ min: 1, max: 500 }),
      seed: fc.nat(),
      phases: fc.array(phase, { maxLength: 20 }),
    });
    fc.assert(
      fc.property(input, ({ max, seed, phases }) => {
        const pair = new Pair(max);
        const random = seeded(seed);
        for (const { adds, wokenPerMille, again, expiredPerMille } of phases) {
          for (let i = 0; i < adds; i++) pair.add(sourceOf(random(1500)));
          const woken = pair.sources().filter(() => random(1000) < wokenPerMille);
          // Not in the order in which they came.
          for (const source of woken.reverse()) pair.wake(source);
          if (again) for (const source of woken) pair.add(source);
          for (let i = 0; i < 5; i++) pair.wake(sourceOf(random(1500)));
          pair.expire(expiredPerMille / 1000);
        }
        pair.expire(1);
        assert.equal(pair.table.size, 0);
      }),
      { numRuns: 300 },
    );
  });

  it('grows on demand to its bound, evicts the oldest in constant time, and gives memory back', () => {
    const max = 200_000;
    const table = new DormantTable(max);
    add(table, packetOf('192.0.2.7', 0));
    const fewest = table.bytes;
    assert.ok(table.wake('192.0.2.7'));
    let evicted = 0;
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 3 * max; i++) {
      const source = `10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`;
      if (add(table, packetOf(source, i))) evicted++;
    }
    assert.equal(table.size, max);
    assert.equal(evicted, 2 * max);
    assert.ok(process.memoryUsage().arrayBuffers - before < 128 * max, 'below 128 bytes each');
    assert.ok(table.bytes < 90 * max, `${table.bytes} bytes`);
    assert.equal(table.oldestMs(), 2 * max);
    table.expire(Number.POSITIVE_INFINITY, () => {});
    assert.equal(table.size, 0);
    assert.equal(table.oldestMs(), Number.POSITIVE_INFINITY);
    assert.equal(table.bytes, fewest);
    const keptBytes = process.memoryUsage().arrayBuffers - before;
    assert.ok(keptBytes < 1024 * 1024, `${keptBytes} bytes are kept, without a collection`);
  });

  it('takes no more memory whoever is woken, and forgets nobody for it', () => {
    const max = 50_000;
    const table = new DormantTable(max);
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = seeded(seed);
    let [next, mostBytes] = [0, 0];
    for (let round = 0; round < 40; round++) {
      while (table.size < max) assert.equal(add(table, packetOf(sourceOf(next++), next)), false);
      mostBytes = Math.max(mostBytes, table.bytes);
      const everyNth = 1 + random(8);
      for (let n = 0; n < next; n += everyNth) table.wake(sourceOf(n));
    }
    assert.ok(mostBytes < 90 * max, `${mostBytes} bytes, seed ${seed}`);
    table.expire(Number.POSITIVE_INFINITY, () => {});
    assert.ok(table.bytes < 4 * max, `${table.bytes} bytes, seed ${seed}`);
  });
});
