/** Scans of all 65,535 ports, back to back: how many doors they open (T3). */
import type { Order, Probe } from '../lib/scan-frames.js';
import { type ScanFigures, type ScanPlan, type Shape, scan } from '../lib/scan-run.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';
import type { Scan } from '../scan-sender.js';

const PER_SECOND = 30_000;
const NO_LIMIT = 'max_attempts_per_minute = 0';
const OTHER_PROBES = ['SYN/ACK', 'FIN', 'NULL', 'UDP'] as const;

/** The order that would open a door of that shape, if nothing came between its knocks. */
const WORST = {
  rising: 'ascending',
  falling: 'descending',
  mixed: 'random',
  consecutive: 'ascending',
} as const satisfies Record<Shape, Order>;
const SHAPES = ['rising', 'falling', 'mixed', 'consecutive'] as const satisfies readonly Shape[];

export const scans: Scenario = {
  name: 'scans',
  title: 'Doors that scans of all ports open',
  run,
};

async function run(context: BenchContext): Promise<Measured> {
  const figures: ScanFigures[] = [];
  for (const plan of plansOf(context.quick, seedOf())) {
    context.say(
      `${plan.program}, ${plan.name}, ${plan.shapes.join(', ')}: ${plan.scans.length} scans`,
    );
    const network = await context.network();
    try {
      figures.push(await scan(network, await context.folder(), plan));
    } finally {
      await network.dispose();
    }
  }
  const summary = [...new Set(figures.map(({ name }) => name))].map((name) =>
    summaryOf(figures.filter((each) => each.name === name)),
  );
  return { figures: { perSecond: PER_SECOND, summary, runs: figures }, ratios: ratiosOf(figures) };
}

/** `SCAN_SEED` repeats the random orders of a run. */
function seedOf(): number {
  const given = Number(process.env['SCAN_SEED'] ?? Number.NaN);
  return Number.isInteger(given) ? given : Math.floor(Math.random() * 2 ** 31);
}

/** The short form is that of `npm test` too. */
export function plansOf(quick: boolean, seed: number): ScanPlan[] {
  const base = { perSecond: PER_SECOND, seed };
  const ours = { ...base, program: 'postern', tcpFlags: 'syn' } as const;
  const shipped = { ...ours, name: 'as configured by default' };
  const unlimited = { ...ours, name: 'without the limit of attempts', options: NO_LIMIT };
  const other = { ...base, program: 'postern', name: 'other packets', options: NO_LIMIT } as const;
  const beside: ScanPlan = {
    ...{ ...base, program: 'knockd', tcpFlags: 'syn', name: 'knockd', shapes: SHAPES },
    scans: inOrders(7, 7),
  };
  if (quick) {
    return [
      { ...unlimited, shapes: ['rising'], scans: inOrders(1, 1, 0) },
      { ...other, shapes: ['consecutive'], scans: probes(['NULL', 'UDP'], ['ascending']) },
    ];
  }
  const plans = SHAPES.flatMap((shape, index): ScanPlan[] => {
    const own = { shapes: [shape], seed: seed + 1000 * index };
    return [
      { ...shipped, ...own, scans: inOrders(25, 5) },
      { ...unlimited, ...own, scans: inOrders(3, 1) },
      { ...other, ...own, scans: probes(OTHER_PROBES, ['random', WORST[shape]]) },
    ];
  });
  return [...plans, beside];
}

/** SYN scans: random ones first, then ascending, then descending. */
function inOrders(random: number, ascending: number, descending = ascending): Scan[] {
  const of = (order: Order, count: number): Scan[] =>
    Array.from({ length: count }, () => ({ order, probe: 'SYN' }));
  return [...of('random', random), ...of('ascending', ascending), ...of('descending', descending)];
}

function probes(kinds: readonly Probe[], orders: readonly Order[]): Scan[] {
  return kinds.flatMap((probe) => orders.map((order) => ({ order, probe })));
}

/** All doors of one configuration together. */
function summaryOf(runs: readonly ScanFigures[]) {
  const sum = (of: (run: ScanFigures) => number) => runs.reduce((all, run) => all + of(run), 0);
  return {
    name: runs[0]?.name,
    program: runs[0]?.program,
    scans: sum(({ scans: { random, ascending, descending } }) => random + ascending + descending),
    scansThatOpened: sum(({ scansThatOpened }) => scansThatOpened),
    opened: sum(({ opened }) => opened),
    honest: sum(({ honest }) => honest),
    honestOpened: sum(({ honestOpened }) => honestOpened),
    mostLostShare: Math.max(...runs.map(({ lostShare }) => lostShare ?? 0)),
  };
}

/** Twice the count, and one: a single door that a scan opens is more than twice none. */
function ratiosOf(figures: readonly ScanFigures[]): Record<string, number> {
  const ours = figures.filter(({ program }) => program === 'postern');
  const { opened, honest, honestOpened } = summaryOf(ours);
  return {
    'doors that scans opened': 1 + 2 * opened,
    'honest knocks that did not open after scans': 1 + 2 * (honest - honestOpened),
  };
}
