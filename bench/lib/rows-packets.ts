/** Rows of floods: what packets cost, how much is remembered, and who still gets in. */
import { z } from 'zod';
import { type Row, shown } from './rows.js';
import { count, mb, megabytes, number, program, row, word } from './rows-parse.js';

const cost = z.object({ kind: word, tracked: number, micros: number });
const packets = z.object({ postern: z.array(cost), knockd: z.array(cost) });
export type Cost = z.infer<typeof cost>;

export function packetFigures(figures: unknown): z.infer<typeof packets> {
  return packets.parse(figures);
}

const KINDS: readonly (readonly [kind: string, what: string, checked: boolean])[] = [
  ['miss', 'no knock by the filter (BPF miss)', false],
  ['stray', 'stray', true],
  ['first', 'first knock of a new source', true],
  ['live', 'knock of a live attempt', true],
];
const FLAT = 1.2;

export function packetRows(figures: unknown): readonly Row[] {
  const { postern, knockd } = packetFigures(figures);
  const ofKind = (costs: readonly Cost[], kind: string) =>
    costs.filter((each) => each.kind === kind).toSorted((a, b) => a.tracked - b.tracked);
  return KINDS.flatMap(([kind, what, isChecked]) => {
    const [ours, theirs] = [ofKind(postern, kind), ofKind(knockd, kind)];
    // The short form measures fewer kinds.
    if (ours.length === 0) return [];
    const each = row(`µs of processor time: ${what}`, '', costsOf(ours), costsOf(theirs));
    if (!isChecked || ours.length < 2) return [each];
    const grown = growth(ours);
    const check = { value: grown, limit: FLAT };
    const growths = [`× ${shown(grown)}`, theirs.length < 2 ? '' : `× ${shown(growth(theirs))}`];
    return [
      each,
      row('from the fewest to the most sources', `≤ × ${FLAT}`, ...two(growths), check),
    ];
  });
}

function two([ours = '', theirs = '']: readonly string[]): [string, string] {
  return [ours, theirs];
}

/** `5.1 (1,000), 5.2 (1,000,000)`, by the number of sources tracked. */
function costsOf(costs: readonly Cost[]): string {
  return costs.map(({ tracked, micros }) => `${shown(micros)} (${count(tracked)})`).join(', ');
}

function growth(costs: readonly Cost[]): number {
  return (costs.at(-1)?.micros ?? Number.NaN) / (costs[0]?.micros ?? Number.NaN);
}

const floodFigure = z.object({
  ...{ program, perSecond: number, seconds: number, knocks: number, reachedPerSecond: number },
  ...{ honest: number, opened: number, delayP50Ms: number, delayMaxMs: number },
  ...{ cpuMicros: number, beforePssMiB: number, mostPssMiB: number },
  // knockd does not say how many it saw.
  lostShare: number.optional(),
});
const floodRuns = z.union([
  z.array(floodFigure),
  z.object({ runs: z.array(floodFigure) }).transform(({ runs }) => runs),
]);
export type Flood = z.infer<typeof floodFigure>;

export function floodFigures(figures: unknown): readonly Flood[] {
  return floodRuns.parse(figures);
}

/** T1: all honest knocks open; of 100,000 a second 99 of 100, and 95 where floods wake machines. */
function openedShare({ perSecond, knocks }: Flood): number {
  if (knocks > 1) return 0.95;
  return perSecond >= 100_000 ? 0.99 : 1;
}

const LATE_MS = 100;
const GROWTH_MB = 128;

export function floodRows(figures: unknown): readonly Row[] {
  const all = floodFigures(figures);
  return all
    .filter((each) => each.program === 'postern')
    .flatMap((flood) =>
      rowsOfFlood(
        flood,
        all.find((each) => isKnockdBeside(each, flood)),
      ),
    );
}

function isKnockdBeside(each: Flood, { perSecond, knocks }: Flood): boolean {
  return each.program === 'knockd' && each.perSecond === perSecond && each.knocks === knocks;
}

function rowsOfFlood(flood: Flood, knockd: Flood | undefined): readonly Row[] {
  const { perSecond, knocks, honest, opened, delayMaxMs, beforePssMiB, mostPssMiB } = flood;
  const what = `${count(perSecond)}/s ${knocks === 1 ? 'first' : 'first and second'} knocks`;
  const limit = openedShare(flood);
  const grown = megabytes(mostPssMiB - beforePssMiB);
  const of = (told: (flood: Flood) => string) => (knockd === undefined ? '' : told(knockd));
  const opening = (each: Flood) => `${each.opened} of ${each.honest}`;
  const late = (each: Flood) => (each.opened > 0 ? `${shown(each.delayMaxMs)} ms` : 'none opened');
  const lost = (each: Flood) =>
    each.lostShare === undefined ? '' : `${shown(100 * each.lostShare)} %`;
  return [
    row(`${what}: honest knocks that opened`, `≥ ${100 * limit} %`, opening(flood), of(opening), {
      ...{ value: opened / honest, limit, atLeast: true },
    }),
    row('the latest of them', `≤ ${LATE_MS} ms`, late(flood), of(late), {
      ...{ value: delayMaxMs, limit: LATE_MS },
    }),
    row('memory added', `≤ ${GROWTH_MB} MB`, `${shown(grown)} MB`, of(addedBy), {
      ...{ value: grown, limit: GROWTH_MB },
    }),
    row('packets lost; processor time for one', '', `${lost(flood)}; ${micros(flood)}`, of(micros)),
  ];
}

const ringShape = z.object({ runs: z.array(floodFigure.extend({ ringMiB: number })) });

/** What each size of the ring loses, and what it takes: the same flood, the sizes in turn. */
export function ringRows(figures: unknown): readonly Row[] {
  const { runs } = ringShape.parse(figures);
  const sizes = [...new Set(runs.map(({ ringMiB }) => ringMiB))];
  return sizes.map((size) => {
    const of = runs.filter(({ ringMiB }) => ringMiB === size);
    const lost = of.map(({ lostShare = 0 }) => `${shown(100 * lostShare)} %`).join(' and ');
    const memory = Math.min(...of.map(({ beforePssMiB }) => beforePssMiB));
    const what = `\`capture_buffer = ${size}M\`: packets lost; memory when idle`;
    return row(what, '', `${lost}; ${mb(memory)}`, '');
  });
}

function addedBy({ beforePssMiB, mostPssMiB }: Flood): string {
  return mb(mostPssMiB - beforePssMiB);
}

function micros({ cpuMicros }: Flood): string {
  return `${shown(cpuMicros)} µs`;
}

const memory = z.object({ aloneMiB: number, ringMiB: number, pssMiB: number });
const sample = memory.extend({ atSeconds: number });
const sourcesShape = z.object({
  programs: z.array(
    z.object({
      ...{ program, sources: number, sent: number, before: memory, most: sample, after: sample },
      ...{ afterSeconds: number, givenBackShare: number, samples: z.array(sample) },
    }),
  ),
});
export type Sources = z.infer<typeof sourcesShape>['programs'][number];

export function sourcesFigures(figures: unknown): readonly Sources[] {
  return sourcesShape.parse(figures).programs;
}

const GIVEN_BACK_SHARE = 0.9;

export function sourcesRows(figures: unknown): readonly Row[] {
  const programs = sourcesFigures(figures);
  const ours = programs.find((each) => each.program === 'postern');
  const theirs = programs.find((each) => each.program === 'knockd');
  if (ours === undefined) throw new Error('postern is missing');
  const { before, most, afterSeconds, givenBackShare } = ours;
  const of = (told: (sources: Sources) => string) => two([told(ours), theirs ? told(theirs) : '']);
  const grown = megabytes(most.aloneMiB - before.aloneMiB);
  return [
    row('memory before, ring included', '', ...of((each) => mb(each.before.aloneMiB))),
    row(
      `memory of all processes, most, ${count(ours.sources)} sources`,
      '≤ 300 MB',
      ...of((each) => mb(each.most.aloneMiB)),
      { value: megabytes(most.aloneMiB), limit: 300 },
    ),
    row(
      'of it added by the sources',
      `≤ ${GROWTH_MB} MB`,
      ...of((each) => mb(each.most.aloneMiB - each.before.aloneMiB)),
      { value: grown, limit: GROWTH_MB },
    ),
    row(
      `given back ${shown(afterSeconds)} s later`,
      'what was added',
      ...of((each) => `${shown(100 * each.givenBackShare)} %: ${mb(each.after.aloneMiB)} left`),
      { value: givenBackShare, limit: GIVEN_BACK_SHARE, atLeast: true },
    ),
  ];
}
