/**
 * Scans all ports of the server from one source, again and again without a pause, at an even pace,
 * from a raw socket in the client's namespace. Input: one JSON object in argv. Output: one JSON
 * object when it is done.
 */
import capModule from 'cap';
import type { Wire } from './lib/frames.js';
import { ALL_PORTS, type Order, type Probe, portsOf, probeFrame } from './lib/scan-frames.js';
import { wallMs } from './lib/wall.js';

export interface ScanInput {
  readonly device: string;
  readonly wire: Wire;
  readonly source: string;
  /** One scan after the other. */
  readonly scans: readonly Scan[];
  /** Of the random orders: each scan's is its seed plus its number. */
  readonly seed: number;
  readonly perSecond: number;
}

export interface Scan {
  readonly order: Order;
  readonly probe: Probe;
}

export interface ScanOutput {
  readonly sent: number;
  readonly seconds: number;
  /** When each scan began, by the wall clock. */
  readonly beganAtMs: readonly number[];
}

/** Less than a burst: waits are rounded up by the kernel's timer slack, 50 µs. */
const WAIT_MS = 0.02;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function scanAll({ device, wire, source, scans, seed, perSecond }: ScanInput): ScanOutput {
  const cap = new capModule.Cap();
  // Nothing is to be captured here; a filter that nothing passes keeps it quiet.
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  // Before the clock starts: shuffling takes milliseconds, and a pause would help whoever is scanned.
  const orders = scans.map(({ order }, number) => portsOf(order, seed + number));
  const beganAtMs: number[] = [];
  const startMs = performance.now();
  let sent = 0;
  for (const [number, { probe }] of scans.entries()) {
    const { bytes, aim } = probeFrame(wire, source, probe);
    beganAtMs.push(wallMs());
    const end = (number + 1) * ALL_PORTS;
    while (sent < end) {
      const due = Math.min(end, Math.floor(((performance.now() - startMs) / 1000) * perSecond));
      if (sent >= due) Atomics.wait(sleeper, 0, 0, WAIT_MS);
      for (; sent < due; sent++) {
        aim(orders[number]?.[sent % ALL_PORTS] ?? 0, sent + 1);
        cap.send(bytes, bytes.length);
      }
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  cap.close();
  return { sent, seconds, beganAtMs };
}

const [, program, argument] = process.argv;
if (program?.endsWith('scan-sender.js') && argument !== undefined) {
  const said = JSON.stringify(scanAll(JSON.parse(argument)));
  process.stdout.write(`${said}\n`, () => process.exit(0));
}
