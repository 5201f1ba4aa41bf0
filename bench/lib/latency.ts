/** What the scenarios of latency share: who knocks, at what pace, and what becomes of the delays. */
import type { Network } from '../../test/support/netns.js';
import { quantile, rounded } from './figures.js';
import type { ProgramName } from './programs.js';

/** Programs, and the least that their work can take: the same thing done at once. */
export type Subject = 'floor' | ProgramName;
export const SUBJECTS: readonly Subject[] = ['floor', 'postern', 'knockd'];

export const PORTS: readonly number[] = [18273, 9146, 31544];
export const BETWEEN_HITS_MS = 5;
/** Everything that a knock sets off is over by the next one. */
const LEAST_PAUSE_MS = 60;
/** knockd looks every 50 ms: pauses that vary by as much are never in step with it. */
const PAUSE_SPREAD_MS = 50;
/** What a knock counts as that opened nothing, or whose door opened later still. */
export const LOST_MS = 5000;

export interface Plan {
  /** The programs take turns so often: whatever else the machine does meets each of them. */
  readonly rounds: number;
  /** In each round, after a start: a block. */
  readonly knocks: number;
  /** How many of them come while code is still being compiled: `warm` leaves them out. */
  readonly first: number;
}

/** The 300 knocks of the goals. */
export const FULL: Plan = { rounds: 3, knocks: 100, first: 20 };
/** Enough for a median; a p95 of so few would be that of the second worst. */
export const QUICK: Plan = { rounds: 1, knocks: 32, first: 5 };

export interface Bench {
  readonly network: Network;
  readonly folder: string;
  readonly plan: Plan;
}

export interface Quantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
  readonly count: number;
}

/** Of all knocks: the first after a start are a user's as well. */
export interface Delays extends Quantiles {
  readonly lost: number;
  /** Without the first ones after each start. */
  readonly warm: Quantiles;
  /** Of the very first knock after each start. */
  readonly afterStartMs: readonly number[];
}

/** What each round gave. */
export type Rounds<T> = Readonly<Record<Subject, readonly T[]>>;

export function pauseMs(): number {
  return LEAST_PAUSE_MS + Math.random() * PAUSE_SPREAD_MS;
}

/** The first is 10.0.0.1; each knock comes from an address of its own, as each user's does. */
export function sourceOf(index: number): string {
  const number = index + 1;
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}

/** Blocks of all subjects in turn, round by round. */
export async function inTurn<T>(
  { rounds }: Plan,
  measure: (subject: Subject, round: number) => Promise<T>,
): Promise<Rounds<T>> {
  const blocks: Record<Subject, T[]> = { floor: [], postern: [], knockd: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const subject of SUBJECTS) blocks[subject].push(await measure(subject, round));
  }
  return blocks;
}

export function delaysOf(blocks: readonly (readonly number[])[], { first }: Plan): Delays {
  return {
    ...quantiles(blocks.flat()),
    lost: blocks.flat().filter((ms) => ms >= LOST_MS).length,
    warm: quantiles(blocks.flatMap((block) => block.slice(first))),
    afterStartMs: blocks.map(([veryFirst = Number.NaN]) => rounded(veryFirst)),
  };
}

function quantiles(delays: readonly number[]): Quantiles {
  return {
    p50Ms: rounded(quantile(delays, 0.5)),
    p95Ms: rounded(quantile(delays, 0.95)),
    maxMs: rounded(Math.max(...delays)),
    count: delays.length,
  };
}

export interface Comparison {
  readonly floor: Delays;
  readonly postern: Delays;
  readonly knockd: Delays;
  readonly overFloorP50Ms: number;
  readonly overFloorP95Ms: number;
  /** postern's share of knockd's. */
  readonly ofKnockdP50: number;
  readonly ofKnockdP95: number;
}

/** @param delays of a block, in the order of its knocks */
export function comparison<T>(
  rounds: Rounds<T>,
  plan: Plan,
  delays: (block: T) => readonly number[],
): Comparison {
  const of = (subject: Subject) => delaysOf(rounds[subject].map(delays), plan);
  const [floor, postern, knockd] = [of('floor'), of('postern'), of('knockd')];
  return {
    ...{ floor, postern, knockd },
    overFloorP50Ms: rounded(postern.p50Ms - floor.p50Ms),
    overFloorP95Ms: rounded(postern.p95Ms - floor.p95Ms),
    ofKnockdP50: rounded(postern.p50Ms / knockd.p50Ms, 4),
    ofKnockdP95: rounded(postern.p95Ms / knockd.p95Ms, 4),
  };
}

/** One line for whoever waits. */
export function summary(what: string, { floor, postern, knockd }: Comparison): string {
  const pair = ({ p50Ms, p95Ms }: Delays) => `${p50Ms.toFixed(2)} / ${p95Ms.toFixed(2)} ms`;
  const parts = [`postern ${pair(postern)}`, `knockd ${pair(knockd)}`, `floor ${pair(floor)}`];
  return `${what}: ${parts.join(', ')} (p50 / p95)`;
}
