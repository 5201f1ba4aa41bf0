/**
 * What a packet costs, by what it is and by how many sources are tracked: postern's cost stays what
 * it is, knockd's grows with their number. Softirq time, in which the kernel's filter runs, falls to
 * the sender on a wire between two namespaces, and is counted for neither program.
 */

import type { Network } from '../../test/support/netns.js';
import { rounded } from '../lib/figures.js';
import { leastOf } from '../lib/packet-cpu.js';
import { fullKnockd, type KnockdPlan, type KnockdRow } from '../lib/packet-knockd.js';
import { fullPostern, type PosternPlan, type PosternRow } from '../lib/packet-postern.js';
import { dropAfterCapture, type PacketKind } from '../lib/packet-traffic.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';

interface Plan {
  /** From the fewest tracked sources to the most. */
  readonly postern: readonly PosternPlan[];
  readonly knockd: readonly KnockdPlan[];
  /** Sources at which both programs are compared; postern's is the one for the most of all. */
  readonly comparedAt: number;
  /** Of postern, for which the least is taken: by turns those of few sources and those of many. */
  readonly rounds: number;
  /** Whether all are filled at once: sooner, but more is lost and sent again. */
  readonly together: boolean;
}

const LONG = { packets: 64_000, kinds: ['miss', 'stray', 'first', 'live'] } as const;
const SHORT = { packets: 8000, kinds: ['first', 'live'] } as const;

const FULL: Plan = {
  postern: [1000, 100_000, 1_000_000].map((tracked) => ({ tracked, ...LONG })),
  knockd: [1000, 10_000, 30_000].map((tracked) => ({ tracked, kinds: ['miss', 'first', 'live'] })),
  ...{ comparedAt: 10_000, rounds: 3, together: false },
};
const QUICK: Plan = {
  postern: [1000, 20_000].map((tracked) => ({ tracked, ...SHORT })),
  knockd: [{ tracked: 4000, kinds: ['first', 'live'] }],
  ...{ comparedAt: 4000, rounds: 1, together: true },
};
/** Less goes under in the noise. */
const MENTIONED_SHARE = 0.02;

export const packets: Scenario = {
  name: 'packets',
  title: 'processor time for a packet, by what it is and how many sources are tracked',
  run,
};

async function run(context: BenchContext): Promise<Measured> {
  const plan = context.quick ? QUICK : FULL;
  const openPosterns = () =>
    allOf(plan, plan.postern, (each) => prepared(context, 'postern', each, fullPostern));
  const openKnockds = () =>
    allOf(plan, plan.knockd, (each) => prepared(context, 'knockd', each, fullKnockd));
  const [posterns, knockds] = plan.together
    ? await Promise.all([openPosterns(), openKnockds()])
    : [await openPosterns(), await openKnockds()];
  const rounds: PosternRow[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    context.say(`postern, round ${round} of ${plan.rounds}`);
    for (const each of posterns) rounds.push(...(await each.measure()));
  }
  const knockd: KnockdRow[] = [];
  context.say('knockd');
  for (const each of knockds) knockd.push(...(await each.measure()));
  for (const each of [...posterns, ...knockds]) await each.dispose();
  const postern = leastRows(plan, rounds);
  sayLosses(postern, 'postern', context);
  sayLosses(knockd, 'knockd', context);
  const growth = { knockd: growths(knockd), postern: growths(postern) };
  return { figures: { postern, knockd, growth }, ratios: ratiosOf(postern, knockd, plan) };
}

async function allOf<Program, Wanted>(
  { together }: Plan,
  wanted: readonly Wanted[],
  open: (each: Wanted) => Promise<Program>,
): Promise<Program[]> {
  if (together) return Promise.all(wanted.map(open));
  const all: Program[] = [];
  for (const each of wanted) all.push(await open(each));
  return all;
}

/** Each has a network of its own: nobody sees the packets of another. */
async function prepared<Program, Wanted extends { readonly tracked: number }>(
  context: BenchContext,
  name: string,
  wanted: Wanted,
  open: (network: Network, folder: string, wanted: Wanted) => Promise<Program>,
): Promise<Program> {
  context.say(`${name} is to track ${wanted.tracked} sources`);
  const network = await context.network();
  await dropAfterCapture(network);
  return open(network, await context.folder(), wanted);
}

function leastRows(plan: Plan, rows: readonly PosternRow[]): PosternRow[] {
  return plan.postern.flatMap(({ tracked, kinds }) =>
    kinds.map((kind) => leastOf(rowsOf(rows, kind).filter((row) => row.tracked === tracked))),
  );
}

type Row = PosternRow | KnockdRow;

/** What is lost on the way of a busy machine makes a figure less sure, and no reason to have none. */
function sayLosses(rows: readonly Row[], who: string, { say }: BenchContext): void {
  for (const { kind, tracked, lostShare } of rows) {
    if (lostShare <= MENTIONED_SHARE) continue;
    say(`${who}, ${tracked} sources, ${kind}: ${rounded(lostShare * 100, 1)} % lost`);
  }
}

function ratiosOf(
  postern: readonly Row[],
  knockd: readonly Row[],
  { comparedAt }: Plan,
): Record<string, number> {
  const named = Object.entries(growths(postern)).map(
    ([kind, ratio]) => [`${kind}Growth`, ratio] as const,
  );
  const compared = (['first', 'live'] as const).map((kind) => {
    const theirs = rowsOf(knockd, kind).find(({ tracked }) => tracked === comparedAt);
    const ratio = microsOf(rowsOf(postern, kind).at(-1)) / microsOf(theirs);
    return [`${kind}ToKnockd`, rounded(ratio, 3)] as const;
  });
  return Object.fromEntries([...named, ...compared]);
}

/** The cost at the most tracked sources over that at the fewest; a miss costs none of it. */
function growths(rows: readonly Row[]): Record<string, number> {
  const entries = (['stray', 'first', 'live'] as const).flatMap((kind) => {
    const of = rowsOf(rows, kind);
    if (of.length < 2) return [];
    return [[kind, rounded(microsOf(of.at(-1)) / microsOf(of[0]), 3)] as const];
  });
  return Object.fromEntries(entries);
}

function rowsOf<Of extends Row>(rows: readonly Of[], kind: PacketKind): readonly Of[] {
  return rows.filter((row) => row.kind === kind);
}

function microsOf(row: Row | undefined): number {
  return row?.micros ?? Number.NaN;
}
