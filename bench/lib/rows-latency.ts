/** Rows of what a user waits for: knocks, starts, and doors that others hold up. */
import { z } from 'zod';
import { type Row, shown } from './rows.js';
import { againstKnockd, mb, megabytes, ms, number, program, row } from './rows-parse.js';

const delays = z.object({ p50Ms: number, p95Ms: number, lost: number });
const comparison = z.object({ floor: delays, postern: delays, knockd: delays });
const nftables = z.object({ element: comparison, connection: comparison });
export type Comparison = z.infer<typeof comparison>;

export function commandFigures(figures: unknown): Comparison {
  return comparison.parse(figures);
}

export function nftablesFigures(figures: unknown): z.infer<typeof nftables> {
  return nftables.parse(figures);
}

export function commandRows(figures: unknown): readonly Row[] {
  const compared = commandFigures(figures);
  const what = 'knock → start command running';
  const { postern, knockd } = compared;
  return [
    overFloor(`${what}, p50`, 'p50Ms', compared, 2),
    overFloor(`${what}, p95`, 'p95Ms', compared, 4),
    againstKnockd('the same, p50, beside knockd', postern.p50Ms, knockd.p50Ms, 5),
    againstKnockd('the same, p95, beside knockd', postern.p95Ms, knockd.p95Ms, 5),
    lostRow('knocks that opened nothing', compared),
  ];
}

export function nftablesRows(figures: unknown): readonly Row[] {
  const { element, connection } = nftablesFigures(figures);
  return [
    ...openingRows('knock → element there', element),
    ...openingRows('knock → TCP connect succeeds', connection),
  ];
}

function openingRows(what: string, compared: Comparison): readonly Row[] {
  const { floor, postern, knockd } = compared;
  const of = (quantile: 'p50Ms' | 'p95Ms', parts: number, name: string): Row => {
    const ours = againstKnockd(`${what}, ${name}`, postern[quantile], knockd[quantile], parts);
    const floors = `floor ${ms(floor[quantile])}`;
    return { ...ours, measured: `${ms(postern[quantile])} (${floors}): ${ours.measured}` };
  };
  return [of('p50Ms', 12, 'p50'), of('p95Ms', 14, 'p95'), lostRow(`${what}: never`, compared)];
}

function overFloor(
  what: string,
  quantile: 'p50Ms' | 'p95Ms',
  { floor, postern, knockd }: Comparison,
  limitMs: number,
): Row {
  const over = postern[quantile] - floor[quantile];
  const measured = `${ms(postern[quantile])}: floor ${ms(floor[quantile])} + ${ms(over)}`;
  const check = { value: over, limit: limitMs };
  return row(what, `≤ floor + ${limitMs} ms`, measured, ms(knockd[quantile]), check);
}

function lostRow(what: string, { postern, knockd }: Comparison): Row {
  const check = { value: postern.lost, limit: 0 };
  return row(what, 'none', shown(postern.lost), shown(knockd.lost), check);
}

const slow = z.object({
  programs: z.array(
    z.object({ program, sleepMs: number, addedP50Ms: z.object({ same: number, other: number }) }),
  ),
});
/** What two medians of a few knocks each differ by on a machine that does other things too. */
const NOISE_MS = 2;

export function slowCommandRows(figures: unknown): readonly Row[] {
  const { programs } = slow.parse(figures);
  const [postern, knockd] = (['postern', 'knockd'] as const).map((name) =>
    programs.find((each) => each.program === name),
  );
  const of = (who: 'same' | 'other', whose: string) => {
    const added = postern?.addedP50Ms[who] ?? Number.NaN;
    const what = `another door's delay while a command sleeps ${shown((postern?.sleepMs ?? Number.NaN) / 1000)} s, ${whose}`;
    const theirs = knockd ? ms(knockd.addedP50Ms[who]) : '';
    const check = { value: added, limit: NOISE_MS };
    return row(what, `none (≤ ${NOISE_MS} ms, noise)`, ms(added), theirs, check);
  };
  return [of('same', 'the same source'), of('other', 'another source')];
}

const start = z.object({ medianMs: number });
const idle = z.object({
  programs: z.array(
    z.object({
      ...{ program, newState: start, usedState: start, withoutRingMiB: number },
      cpuMsPerSecond: number,
      memory: z.object({ ringMiB: number, pssMiB: number }),
    }),
  ),
});

export function idleRows(figures: unknown): readonly Row[] {
  const { programs } = idle.parse(figures);
  const ours = programs.find((each) => each.program === 'postern');
  const theirs = programs.find((each) => each.program === 'knockd');
  if (ours === undefined) throw new Error('postern is missing');
  const { newState, usedState, withoutRingMiB, memory, cpuMsPerSecond } = ours;
  const started = (what: string, medianMs: number, of?: number) =>
    row(what, '≤ 1.5 s', `${shown(medianMs / 1000)} s`, of === undefined ? '' : ms(of), {
      value: medianMs,
      limit: 1500,
    });
  return [
    started('start → listening, new state', newState.medianMs, theirs?.newState.medianMs),
    started('start → listening, later ones', usedState.medianMs, theirs?.usedState.medianMs),
    row(
      'memory idle, all processes, ring apart',
      '≤ 150 MB',
      mb(withoutRingMiB),
      theirs ? mb(theirs.withoutRingMiB) : '',
      { value: megabytes(withoutRingMiB), limit: 150 },
    ),
    row('the capture ring', '', mb(memory.ringMiB), theirs ? mb(theirs.memory.ringMiB) : ''),
    row(
      'processor time idle',
      '',
      `${shown(cpuMsPerSecond)} ms a second`,
      theirs ? `${shown(theirs.cpuMsPerSecond)} ms a second` : '',
    ),
  ];
}
