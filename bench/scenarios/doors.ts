/**
 * A thousand doors beside one: the start, what a packet costs, how long a knock takes, a reload. Both
 * run at the same time, each in a network of its own, and take turns, so that whatever else the
 * machine does meets both.
 */
import { join } from 'node:path';
import {
  type Doors,
  type FloodCost,
  floodCost,
  framesSeen,
  idleCpu,
  knockDelays,
  NEVER_MS,
  type PacketKind,
  quietNetwork,
  reloadMs,
  startDoors,
} from '../lib/doors.js';
import { quantile, rounded } from '../lib/figures.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';
import { familyOf, memoryOf } from '../lib/usage.js';

const COUNTS = [1, 1000] as const;
const KINDS: readonly PacketKind[] = ['stray', 'firstKnock'];

interface Plan {
  readonly starts: number;
  readonly knocks: number;
  readonly reloads: number;
  readonly floodRounds: number;
  readonly flood: { readonly perSecond: number; readonly seconds: number };
}

const FULL: Plan = {
  ...{ starts: 5, knocks: 50, reloads: 5 },
  ...{ floodRounds: 3, flood: { perSecond: 20_000, seconds: 3 } },
};

const QUICK: Plan = {
  ...{ starts: 2, knocks: 20, reloads: 2 },
  ...{ floodRounds: 1, flood: { perSecond: 20_000, seconds: 0.8 } },
};

/** The first knocks of each are not counted: the compiler has its work to do. */
const WARM_UP_KNOCKS = 5;
const WARM_UP_SECONDS = 0.5;

export interface DoorsFigures {
  readonly doors: number;
  readonly startMs: number;
  readonly startsMs: readonly number[];
  readonly idlePssMiB: number;
  /** Processor time for a packet from a new source, at `perSecond`, what is used idle taken off. */
  readonly perSecond: number;
  readonly strayMicros: number;
  readonly firstKnockMicros: number;
  readonly packetsSent: number;
  readonly packetsLost: number;
  readonly knocks: number;
  readonly knocksOpened: number;
  readonly delayP50Ms: number;
  readonly delayP95Ms: number;
  readonly reloadMs: number;
}

/** What was measured of one of them, round by round. */
interface Taken {
  readonly startsMs: number[];
  readonly costs: Readonly<Record<PacketKind, FloodCost[]>>;
  readonly delaysMs: number[];
  readonly reloadsMs: number[];
  /** Frames that its sensor had seen before and after the floods. */
  seenFrom: number;
  seenTo: number;
}

interface Side {
  readonly doors: Doors;
  readonly taken: Taken;
  readonly idlePssMiB: number;
}

export const doors: Scenario = {
  name: 'doors',
  title: 'A thousand doors beside one',
  async run(context: BenchContext): Promise<Measured> {
    const plan = context.quick ? QUICK : FULL;
    const sides = await startSides(context, plan);
    try {
      await knock(context, sides, plan);
      await reload(context, sides, plan);
      await flood(context, sides, plan);
      const figures = sides.map((side) => figuresOf(side, plan));
      return { figures, ratios: ratiosOf(figures) };
    } finally {
      for (const { postern } of sidesDoors(sides)) await postern.dispose();
    }
  },
};

function sidesDoors(sides: readonly Side[]): readonly Doors[] {
  return sides.map(({ doors: each }) => each);
}

/** Those of the last round go on running. */
async function startSides(context: BenchContext, { starts }: Plan): Promise<readonly Side[]> {
  const running: Doors[] = [];
  const places = await Promise.all(
    COUNTS.map(async (count) => ({
      count,
      network: await quietNetwork(await context.network()),
      folder: await context.folder(),
      taken: nothingTaken(),
    })),
  );
  try {
    for (let round = 0; round < starts; round++) {
      context.say(`doors: start ${round + 1} of ${starts}`);
      for (const { postern } of running.splice(0)) await postern.stop();
      for (const { count, network, folder, taken } of places) {
        const started = await startDoors(network, join(folder, String(round)), count);
        taken.startsMs.push(started.startMs);
        running.push(started);
      }
    }
  } catch (error) {
    for (const { postern } of running) await postern.dispose();
    throw error;
  }
  return running.map((each, index) => ({
    doors: each,
    taken: places[index]?.taken ?? nothingTaken(),
    idlePssMiB: memoryOf(familyOf(each.postern.pid)).pssMiB,
  }));
}

function nothingTaken(): Taken {
  const costs = { stray: [], firstKnock: [] };
  return { startsMs: [], costs, delaysMs: [], reloadsMs: [], seenFrom: 0, seenTo: 0 };
}

/** Both at once, by turns of half the time between two knocks. */
async function knock(context: BenchContext, sides: readonly Side[], plan: Plan): Promise<void> {
  context.say(`doors: ${plan.knocks} single knocks`);
  const count = WARM_UP_KNOCKS + plan.knocks;
  const knocking = sides.map(async ({ doors: each, taken }, index) => {
    const delays = await knockDelays(each, count, index / sides.length);
    taken.delaysMs.push(...delays.slice(WARM_UP_KNOCKS));
  });
  await Promise.all(knocking);
}

async function reload(context: BenchContext, sides: readonly Side[], plan: Plan): Promise<void> {
  context.say('doors: reloads');
  for (let round = 0; round < plan.reloads; round++) {
    for (const { doors: each, taken } of sides) {
      taken.reloadsMs.push(await reloadMs(each, round));
    }
  }
}

async function flood(context: BenchContext, sides: readonly Side[], plan: Plan): Promise<void> {
  const idle = await idleCpu(sidesDoors(sides), plan.flood.seconds);
  const warmUp = { kind: 'stray', ...plan.flood, seconds: WARM_UP_SECONDS } as const;
  for (const { doors: each, taken } of sides) {
    await floodCost(each, { ...warmUp, turn: 0 }, 0);
    taken.seenFrom = await framesSeen(each);
  }
  for (let round = 0; round < plan.floodRounds; round++) {
    context.say(`doors: packets, round ${round + 1} of ${plan.floodRounds}`);
    for (const [at, kind] of KINDS.entries()) {
      const turn = 1 + round * KINDS.length + at;
      for (const [index, { doors: each, taken }] of sides.entries()) {
        const cost = await floodCost(each, { kind, turn, ...plan.flood }, idle[index] ?? 0);
        taken.costs[kind].push(cost);
      }
    }
  }
  for (const { doors: each, taken } of sides) taken.seenTo = await framesSeen(each);
}

function figuresOf({ doors: each, taken, idlePssMiB }: Side, plan: Plan): DoorsFigures {
  const { startsMs, costs, delaysMs, reloadsMs, seenFrom, seenTo } = taken;
  const all = [...costs.stray, ...costs.firstKnock];
  const packetsSent = all.reduce((sum, { sent }) => sum + sent, 0);
  return {
    doors: each.count,
    startMs: rounded(median(startsMs), 0),
    startsMs: startsMs.map((ms) => rounded(ms, 0)),
    idlePssMiB: rounded(idlePssMiB, 0),
    perSecond: plan.flood.perSecond,
    strayMicros: rounded(median(costs.stray.map(({ micros }) => micros))),
    firstKnockMicros: rounded(median(costs.firstKnock.map(({ micros }) => micros))),
    packetsSent,
    packetsLost: Math.max(0, packetsSent - (seenTo - seenFrom)),
    knocks: delaysMs.length,
    knocksOpened: delaysMs.filter((delayMs) => delayMs < NEVER_MS).length,
    delayP50Ms: rounded(median(delaysMs)),
    delayP95Ms: rounded(quantile(delaysMs, 0.95)),
    reloadMs: rounded(median(reloadsMs), 1),
  };
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function ratiosOf(figures: readonly DoorsFigures[]): Readonly<Record<string, number>> {
  const [one, thousand] = figures;
  if (one === undefined || thousand === undefined) return {};
  return {
    thousandDoorsStart: rounded(thousand.startMs / one.startMs),
    thousandDoorsStray: rounded(thousand.strayMicros / one.strayMicros),
    thousandDoorsFirstKnock: rounded(thousand.firstKnockMicros / one.firstKnockMicros),
    thousandDoorsDelay: rounded(thousand.delayP50Ms / one.delayP50Ms),
    // A reload of one door is over in too little time to compare with.
    thousandDoorsReloadToStart: rounded(thousand.reloadMs / thousand.startMs),
  };
}
