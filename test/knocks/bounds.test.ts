/**
 * T1: what is remembered of spoofed sources stays within its caps, whatever they send, and its memory
 * is given back. `SPOOFED_SOURCES=4000000` is the flood in full, against the default caps.
 */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { DoorTable, type MatchDoor } from '../../machines/doors.js';
import type { Packet } from '../../machines/types.js';
import { Knocks } from '../../src/knocks/knocks.js';
import type { KnockEvent } from '../../src/knocks/types.js';

const SOURCES = Number(process.env['SPOOFED_SOURCES'] ?? 250_000);
/** The default of `max_sources`, smaller by as much as the flood is. */
const MAX_SOURCES = Math.round((1_048_576 * SOURCES) / 4_000_000);
const PER_SECOND = 100_000;
const RULES = { strayLimit: 3, scanLimit: 20, ignorePorts: [], maxAttemptsPerMinute: 60 };
const PORTS = [7, 8, 9];
/** Longer than the flood in full: what is forgotten is forgotten for want of room. */
const SEQ_TIMEOUT_MS = 60_000;

const door: MatchDoor = {
  name: 'd',
  knocks: PORTS.map((port) => ({ port, protocol: 'tcp' })),
  seqTimeoutMs: SEQ_TIMEOUT_MS,
  tcpFlags: { required: 2, excluded: 0 },
};

function knocksWithin(maxSources: number, maxMachines: number) {
  const opened: string[] = [];
  const knocks = new Knocks(new DoorTable([door], RULES), {
    host: { isLocal: () => true, isListening: () => false },
    limits: { maxSources, maxMachines },
    onEvent: ({ kind, source }: KnockEvent) => {
      if (kind === 'completed') opened.push(source);
    },
  });
  return { knocks, opened };
}

function hit(source: string, port: number, atMs: number): Packet {
  const ends = { source, destination: '192.0.2.1', sourcePort: 40_000 + port };
  return { ...ends, atMs, protocol: 'tcp', port, flags: 2, sequence: 1, interfaceIndex: 0 };
}

const spoofed = (n: number) => `10.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Bytes of typed arrays that somebody still holds. */
function arrayBytes(): number {
  assert.ok(typeof collect === 'function', 'garbage is collected when it is asked for');
  // What the first one frees is counted with the second.
  for (let n = 0; n < 2; n++) collect();
  return process.memoryUsage().arrayBuffers;
}

function heapBytes(): number {
  assert.ok(typeof collect === 'function', 'garbage is collected when it is asked for');
  collect();
  return process.memoryUsage().heapUsed;
}

describe('what a flood makes postern remember (T1)', () => {
  it('acts on so many deadlines at a time, and on all of them in the end', () => {
    const { knocks } = knocksWithin(10_000, 10_000);
    for (let n = 0; n < 6000; n++) knocks.packet(hit(spoofed(n), 7, n / 100));
    for (let n = 0; n < 1000; n++) knocks.packet(hit(spoofed(n), 8, 100));
    const left: string[] = [];
    while (knocks.nextDeadlineMs() < Number.POSITIVE_INFINITY) {
      const { dormant, machines } = knocks.counts();
      left.push(`${dormant} ${machines}`);
      knocks.advance(SEQ_TIMEOUT_MS * 3, 2000);
    }
    assert.deepEqual(left, ['5000 1000', '3000 800', '1000 600', '0 400', '0 200']);
    const { dormant, machines } = knocks.counts();
    assert.deepEqual([dormant, machines], [0, 0]);
  });

  it(`${SOURCES} spoofed first knocks: bounded, oldest first, given back`, function () {
    this.timeout(20_000 + SOURCES / 50);
    const { knocks, opened } = knocksWithin(MAX_SOURCES, 100);
    const before = arrayBytes();
    let most = 0;
    let atMs = 0;
    for (let n = 0; n < SOURCES; n++) {
      atMs = (n / PER_SECOND) * 1000;
      knocks.packet(hit(spoofed(n), 7, atMs));
      most = Math.max(most, knocks.counts().dormant);
    }
    const { dormant, dormantEvicted, machines } = knocks.counts();
    assert.ok(atMs < SEQ_TIMEOUT_MS, 'not a flood any more');
    assert.deepEqual([most, dormant, machines], [MAX_SOURCES, MAX_SOURCES, 0]);
    assert.equal(dormantEvicted, SOURCES - MAX_SOURCES);
    // 128 MB at the cap by default; the limit of attempts has a bound of its own.
    const grown = arrayBytes() - before;
    assert.ok(grown < MAX_SOURCES * 122 + 8 * 2 ** 20, `${grown} bytes`);
    // The newest are those that are remembered, and can go on.
    for (const n of [SOURCES - MAX_SOURCES, SOURCES - MAX_SOURCES - 1]) {
      for (const port of [8, 9]) knocks.packet(hit(spoofed(n), port, atMs + port));
    }
    assert.deepEqual(opened, [spoofed(SOURCES - MAX_SOURCES)]);
    for (const afterMs of [1, 2]) knocks.advance(atMs + afterMs * 10 * SEQ_TIMEOUT_MS);
    assert.equal(knocks.counts().dormant, 0);
    assert.equal(knocks.nextDeadlineMs(), Number.POSITIVE_INFINITY);
    const kept = arrayBytes() - before;
    assert.ok(kept < 2 ** 20, `${kept} bytes`);
  });

  it('second knocks as well: the alarms of evicted machines go with them', () => {
    const [machines, sources] = [100, 30_000];
    const { knocks } = knocksWithin(1000, machines);
    const wake = (n: number) => {
      for (const port of [7, 8]) knocks.packet(hit(spoofed(n), port, n / 20));
    };
    // Everything is compiled, and every table as large as it gets.
    for (let n = 0; n < sources; n++) wake(n);
    const before = heapBytes();
    for (let n = sources; n < 2 * sources; n++) wake(n);
    const grown = heapBytes() - before;
    assert.deepEqual([knocks.counts().machines, knocks.counts().dormant], [machines, 0]);
    assert.ok(grown < 2 ** 20, `${grown} bytes`);
  });

  it('nothing is due of machines that were evicted or whose door is open', () => {
    const { knocks, opened } = knocksWithin(10, 3);
    for (let n = 0; n < 40; n++) {
      for (const port of [7, 8]) knocks.packet(hit(spoofed(n), port, n));
    }
    assert.equal(knocks.nextDeadlineMs(), 37 + SEQ_TIMEOUT_MS);
    for (const n of [38, 37, 39]) knocks.packet(hit(spoofed(n), 9, 1000));
    assert.deepEqual(opened, [38, 37, 39].map(spoofed));
    assert.equal(knocks.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  });

  it('no mix of knocks, strays and silences exceeds a cap or leaves anything behind', () => {
    const step = fc.record({
      source: fc.nat(60).map((n) => `198.51.100.${n}`),
      port: fc.constantFrom(...PORTS, ...PORTS, 100, 101),
      waitMs: fc.oneof({ weight: 20, arbitrary: fc.nat(200) }, fc.constant(SEQ_TIMEOUT_MS)),
    });
    const many = fc.array(step, { maxLength: 400, size: 'max' });
    const cap = fc.integer({ min: 1, max: 20 });
    const property = fc.property(many, cap, cap, (steps, a, b) => {
      const { knocks } = knocksWithin(a, b);
      let nowMs = 0;
      for (const { source, port, waitMs } of steps) {
        nowMs += waitMs;
        knocks.advance(nowMs);
        knocks.packet(hit(source, port, nowMs));
        const { dormant, machines } = knocks.counts();
        assert.ok(dormant <= a, `${dormant} dormant sources of ${a}`);
        assert.ok(machines <= b, `${machines} machines of ${b}`);
      }
      const { dormant, machines } = knocks.counts();
      assert.ok(dormant + machines === 0 || knocks.nextDeadlineMs() <= nowMs + SEQ_TIMEOUT_MS);
      for (const times of [1, 2, 13]) knocks.advance(nowMs + times * SEQ_TIMEOUT_MS);
      const left = knocks.counts();
      assert.deepEqual([left.dormant, left.machines, left.ignored], [0, 0, 0]);
      assert.equal(knocks.nextDeadlineMs(), Number.POSITIVE_INFINITY);
    });
    fc.assert(property, { numRuns: 200 });
  });
});
