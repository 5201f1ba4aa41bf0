/** T1: who still gets in during a flood, at which rate, and what the capture ring does for that. */
import { type FloodFigures, type FloodPlan, flood } from '../lib/flood.js';
import type { ProgramName } from '../lib/programs.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';
import { answerNothing } from '../lib/spoofed.js';

type Shape = Pick<FloodPlan, 'perSecond' | 'knocks'>;

const SHAPES: readonly Shape[] = [
  { perSecond: 20_000, knocks: 1 },
  { perSecond: 50_000, knocks: 1 },
  { perSecond: 100_000, knocks: 1 },
  { perSecond: 20_000, knocks: 2 },
];
const QUICK_SHAPES: readonly Shape[] = [{ perSecond: 20_000, knocks: 1 }];

type Length = Pick<FloodPlan, 'seconds' | 'honest' | 'afterMs'>;

const LENGTHS: Readonly<Record<ProgramName, Length>> = {
  postern: { seconds: 30, honest: 100, afterMs: 10_000 },
  // It lets in next to nobody, whatever the length.
  knockd: { seconds: 12, honest: 40, afterMs: 1000 },
};
const QUICK: Length = { seconds: 5, honest: 8, afterMs: 0 };

export const floods: Scenario = {
  name: 'floods',
  title: 'honest knocks during floods of spoofed ones',
  async run(context) {
    const runs: FloodFigures[] = [];
    for (const shape of context.quick ? QUICK_SHAPES : SHAPES) {
      for (const program of ['postern', 'knockd'] as const) {
        const length = context.quick ? QUICK : LENGTHS[program];
        runs.push(await one(context, { program, ...shape, ...length }));
      }
    }
    return { figures: { runs }, ratios: ratiosOf(runs) };
  },
};

const RING_MIB = [1, 2, 4, 8, 16, 32];
const RING_ROUNDS = 2;

export const ring: Scenario = {
  name: 'ring',
  title: 'loss in a flood against the memory of the capture ring',
  async run(context): Promise<Measured> {
    const runs: (FloodFigures & { readonly ringMiB: number })[] = [];
    // It compares nothing that could become worse.
    for (let round = 0; round < (context.quick ? 0 : RING_ROUNDS); round += 1) {
      for (const ringMiB of RING_MIB) {
        const shape = { program: 'postern', perSecond: 100_000, knocks: 1 } as const;
        const length = { seconds: 10, honest: 20, afterMs: 0 };
        const options = `capture_buffer = ${ringMiB}M`;
        runs.push({ ringMiB, ...(await one(context, { ...shape, ...length, options })) });
      }
    }
    return { figures: { runs }, ratios: {} };
  },
};

async function one(context: BenchContext, plan: FloodPlan): Promise<FloodFigures> {
  const network = await context.network();
  await answerNothing(network);
  const figures = await flood(network, await context.folder(), plan);
  await network.dispose();
  const { program, perSecond, knocks, opened, honest, lostShare } = figures;
  const lost = lostShare === undefined ? '' : `, ${(100 * lostShare).toFixed(2)} % lost`;
  const what = `${program}, ${perSecond}/s of ${knocks}: ${opened} of ${honest} opened${lost}`;
  context.say(plan.options === undefined ? what : `${what}, ${plan.options}`);
  return figures;
}

/** One knock more or less is noise, so the ratio of those kept out begins at one. */
function ratiosOf(runs: readonly FloodFigures[]): Measured['ratios'] {
  const ratios: Record<string, number> = {};
  for (const run of runs) {
    if (run.program !== 'postern') continue;
    const key = `${run.perSecond / 1000}k${run.knocks === 2 ? 'Second' : ''}`;
    ratios[`keptOut${key}`] = 1 + (2 * (run.honest - run.opened)) / run.honest;
    const knockd = runs.find((each) => each.program === 'knockd' && isBeside(each, run));
    if (knockd !== undefined) ratios[`cpuToKnockd${key}`] = run.cpuMicros / knockd.cpuMicros;
  }
  return ratios;
}

function isBeside(one: FloodFigures, other: FloodFigures): boolean {
  return one.perSecond === other.perSecond && one.knocks === other.knocks;
}
