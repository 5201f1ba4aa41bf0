/**
 * Fills a large dormant table, wakes most of it and fills it again, and writes as JSON how long the
 * longest calls took. A process of its own: its heap is small, so that it measures the table and not
 * the collection of everything else's garbage.
 */
import type { Packet } from '../../machines/types.js';
import { DormantTable } from '../../src/knocks/dormant.js';

export interface LongestCalls {
  readonly callMs: number;
  /** Of a hundred calls in a row. */
  readonly hundredMs: number;
}

export type DormantLoad = Readonly<Record<'fill' | 'wake' | 'refill' | 'mixed', LongestCalls>>;

const SOURCES = 1_048_576;
const table = new DormantTable(SOURCES);

/** The sources in an order of no order: odd factors and shifts lose nothing. */
function sourceOf(n: number): string {
  const bits = Math.imul(n, 0x9e3779b1);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

function add(n: number): void {
  const packet: Packet = {
    atMs: n,
    source: sourceOf(n),
    destination: '192.0.2.1',
    protocol: 'tcp',
    sourcePort: 40000,
    port: 7000,
    flags: 2,
    sequence: n,
    interfaceIndex: 0,
  };
  table.add({ type: 'KNOCK', packet, local: true, generation: 1 }, false);
}

function longestOf(count: number, call: (n: number) => void): LongestCalls {
  let [callMs, hundredMs] = [0, 0];
  let hundredFromMs = performance.now();
  for (let n = 0; n < count; n++) {
    const fromMs = performance.now();
    call(n);
    const endMs = performance.now();
    callMs = Math.max(callMs, endMs - fromMs);
    if (n % 100 < 99) continue;
    hundredMs = Math.max(hundredMs, endMs - hundredFromMs);
    hundredFromMs = endMs;
  }
  return { callMs, hundredMs };
}

const load: DormantLoad = {
  fill: longestOf(SOURCES, add),
  wake: longestOf(SOURCES, (n) => {
    if (n % 5 > 0) table.wake(sourceOf(n));
  }),
  refill: longestOf(SOURCES, (n) => add(SOURCES + n)),
  // Every gap has to be closed for what is added, since there is room for no more.
  mixed: longestOf(SOURCES, (n) => {
    if (n % 2 === 0) table.wake(sourceOf(SOURCES + (Math.imul(n, 0x85ebca6b) % SOURCES)));
    else add(2 * SOURCES + n);
  }),
};
console.log(JSON.stringify(load));
