/**
 * Many grants of nftables at once: whether all open and all close, how late, and what each costs.
 * Times are read twice: in postern's journal, and in what the kernel tells of the set.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Postern, startPostern } from '../../test/support/daemon.js';
import type { Network } from '../../test/support/netns.js';
import { countElements, ElementWatch } from '../lib/elements.js';
import { quantile, rounded } from '../lib/figures.js';
import { type GrantTimes, grantTimes } from '../lib/grant-times.js';
import { callsEach, redisWork } from '../lib/redis-work.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';
import { answerNothing, sendKnocks, spoofedSource } from '../lib/spoofed.js';
import { cpuSeconds, familyOf, type Memory, memoryOf, watchMemory } from '../lib/usage.js';

const PORTS = [18273, 9146, 31544];
const LOOK_EVERY_MS = 100;
/** What is not open so long after its knock, or not shut so long after the last deadline, never is. */
const GIVEN_UP_MS = 15_000;
const LATENESS_GOAL_MS = 250;
/** Below this a lateness tells more of the machine's moment than of the program. */
const LEAST_COMPARED_MS = 50;

export interface GrantsPlan {
  readonly name: string;
  readonly count: number;
  /** All knocks are completed within this, at an even pace. */
  readonly withinMs: number;
  /** `cmd_timeout`: more than it takes to open all of them, so that all are open at once. */
  readonly openForSeconds: number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface GrantsFigures extends GrantsPlan {
  /** By the journal. */
  readonly opened: number;
  readonly closed: number;
  /** In the kernel's set: the most at any time, and a list's count when all had been knocked. */
  readonly mostElements: number;
  readonly listedElements: number;
  /** Elements that postern did not take out itself: the kernel's own timeout did, a second late. */
  readonly leftToKernel: number;
  /** What the monitor missed; then the kernel's figures are not whole. */
  readonly monitorLost: number;
  /** From a knock's last hit to its element. */
  readonly openMs: Spread;
  /** From each grant's deadline to its Closed event, and to the end of its element. */
  readonly closeLateMs: Spread;
  readonly elementLateMs: Spread;
  readonly closedBy: Readonly<Record<string, number>>;
  /** Processor time for a whole grant, opening to closed, milliseconds by process. */
  readonly cpuMsEach: Readonly<Record<string, number>>;
  readonly redisCallsEach: Readonly<Record<string, number>>;
  readonly beforePssMiB: number;
  readonly mostPssMiB: number;
}

export const grants: Scenario = {
  name: 'grants',
  title: 'Many nftables grants open at once, and a thousand completions within a second',
  async run(context: BenchContext): Promise<Measured> {
    const figures: GrantsFigures[] = [];
    for (const plan of plansOf(context.quick)) {
      context.say(`grants: ${plan.count} within ${rounded(plan.withinMs / 1000, 1)} s`);
      figures.push(await openMany(await context.network(), await context.folder(), plan));
    }
    return { figures, ratios: Object.fromEntries(figures.flatMap(ratiosOf)) };
  },
};

export function plansOf(quick: boolean): readonly GrantsPlan[] {
  return quick
    ? [
        { name: 'many', count: 800, withinMs: 2000, openForSeconds: 3 },
        { name: 'burst', count: 200, withinMs: 200, openForSeconds: 2 },
      ]
    : [
        { name: 'many', count: 10_000, withinMs: 20_000, openForSeconds: 23 },
        { name: 'burst', count: 1000, withinMs: 1000, openForSeconds: 5 },
      ];
}

function ratiosOf({ name, closeLateMs }: GrantsFigures): readonly [string, number][] {
  const lateMs = Math.max(closeLateMs.p99, LEAST_COMPARED_MS);
  return [[`${name}CloseLatenessToGoal`, rounded(lateMs / LATENESS_GOAL_MS)]];
}

export async function openMany(
  network: Network,
  folder: string,
  plan: GrantsPlan,
  env: NodeJS.ProcessEnv = {},
): Promise<GrantsFigures> {
  await answerNothing(network);
  const postern = await startPostern(network, { conf: confOf(plan), folder, env });
  try {
    const watch = await ElementWatch.start(network);
    try {
      return await measure(network, postern, watch, plan);
    } finally {
      await watch.dispose();
    }
  } finally {
    // Not killed: it may have a profile to write.
    await postern.stop().catch(() => postern.dispose());
  }
}

function confOf({ openForSeconds }: GrantsPlan): string {
  const sequence = `sequence = ${PORTS.join(',')}\nseq_timeout = 10\ntcpflags = syn`;
  const grant = `allow = 22/tcp\ncmd_timeout = ${openForSeconds}`;
  return `[options]\nnft_guard = yes\n[bench]\n${sequence}\n${grant}\n`;
}

async function measure(
  network: Network,
  postern: Postern,
  watch: ElementWatch,
  plan: GrantsPlan,
): Promise<GrantsFigures> {
  const { count, withinMs, openForSeconds } = plan;
  const before = { redis: await redisWork(postern), cpu: cpuSeconds(postern.pid) };
  const beforeMemory = memoryOf(familyOf(postern.pid));
  const memory = watchMemory(postern.pid);
  const knocks = Array.from({ length: count }, (_, n) => {
    return { source: spoofedSource(n + 1), ports: PORTS, atMs: (n * withinMs) / count };
  });
  const sentAt = await sendKnocks(network, knocks);
  await waitFor(() => watch.addedAtMs.size >= count, GIVEN_UP_MS);
  const listed = await countElements(network);
  await waitFor(() => watch.there === 0, openForSeconds * 1000 + GIVEN_UP_MS);
  const most = memory.stop();
  const after = { redis: await redisWork(postern), cpu: cpuSeconds(postern.pid) };
  const grants = [...(await grantTimes(network, postern)).values()];
  const all = Array.from({ length: count }, (_, n): GrantTimes => grants[n] ?? {});
  return {
    ...plan,
    opened: grants.filter(({ openedAtMs }) => openedAtMs !== undefined).length,
    closed: grants.filter(({ closedAtMs }) => closedAtMs !== undefined).length,
    ...{ mostElements: watch.most, listedElements: listed, leftToKernel: watch.there },
    monitorLost: watch.lost,
    openMs: spread([...sentAt].map(([source, atMs]) => since(atMs, watch.addedAtMs.get(source)))),
    closeLateMs: spread(all.map(({ untilMs, closedAtMs }) => since(untilMs, closedAtMs))),
    elementLateMs: spread(all.map((grant) => since(grant.untilMs, goneAt(watch, grant)))),
    closedBy: countBy(grants.flatMap(({ cause }) => cause ?? [])),
    cpuMsEach: cpuMsEach(before.cpu, after.cpu, count),
    redisCallsEach: callsEach(before.redis, after.redis, count),
    ...pssOf(beforeMemory, most),
  };
}

async function waitFor(isSo: () => boolean, withinMs: number): Promise<void> {
  const until = performance.now() + withinMs;
  while (!isSo() && performance.now() < until) await sleep(LOOK_EVERY_MS);
}

/** What never happened counts as late by all the time it was waited for, so that no figure hides it. */
function since(fromMs: number | undefined, toMs: number | undefined): number {
  return fromMs === undefined || toMs === undefined ? GIVEN_UP_MS : toMs - fromMs;
}

function goneAt(watch: ElementWatch, { source }: GrantTimes): number | undefined {
  return source === undefined ? undefined : watch.goneAtMs.get(source);
}

function spread(values: readonly number[]): Spread {
  const at = (share: number) => rounded(quantile(values, share), 1);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function countBy(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function cpuMsEach(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  count: number,
): Readonly<Record<string, number>> {
  const each = [...after].map(([role, seconds]): [string, number] => {
    return [role, rounded(((seconds - (before.get(role) ?? 0)) * 1000) / count, 3)];
  });
  return Object.fromEntries(each);
}

function pssOf(before: Memory, most: Memory) {
  return { beforePssMiB: rounded(before.pssMiB, 0), mostPssMiB: rounded(most.pssMiB, 0) };
}
