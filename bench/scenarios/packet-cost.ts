/**
 * What a packet costs, by what it is and by how many sources are tracked: postern's cost stays what
 * it is, knockd's grows with their number. Softirq time, in which the kernel's filter runs, falls to
 * the sender on a wire between two namespaces, and is counted for neither program.
 */
import { rounded } from '../lib/figures.js';
import { type KnockdPlan, type KnockdRow, knockdCosts } from '../lib/packet-knockd.js';
import { type PosternPlan, type PosternRow, posternCosts } from '../lib/packet-postern.js';
import { dropAfterCapture, type PacketKind } from '../lib/packet-traffic.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';

interface Plan {
  /** From the fewest tracked sources to the most. */
  readonly postern: readonly PosternPlan[];
  readonly knockd: readonly KnockdPlan[];
}

const EVERY = ['miss', 'stray', 'first', 'live'] as const;
const LONG = { packets: 96_000, rounds: 3, kinds: EVERY, idleMs: 5000 };
const SHORT = { packets: 32_000, rounds: 1, kinds: ['first', 'live'], idleMs: 1000 } as const;

const FULL: Plan = {
  postern: [1000, 100_000, 1_000_000].map((tracked) => ({ tracked, ...LONG })),
  knockd: [1000, 10_000, 30_000].map((tracked) => ({ tracked })),
};
const QUICK: Plan = {
  postern: [1000, 60_000].map((tracked) => ({ tracked, ...SHORT })),
  knockd: [{ tracked: 10_000 }],
};
/** At which both programs are compared; postern's is the one for the most sources of all. */
const COMPARED_AT = 10_000;

export const packets: Scenario = {
  name: 'packets',
  title: 'processor time for a packet, by what it is and how many sources are tracked',
  run,
};

async function run(context: BenchContext): Promise<Measured> {
  const plan = context.quick ? QUICK : FULL;
  const postern: PosternRow[] = [];
  for (const each of plan.postern) {
    context.say(`postern, ${each.tracked} tracked sources`);
    const { network, folder } = await prepared(context);
    postern.push(...(await posternCosts(network, folder, each)));
    await network.dispose();
  }
  const knockd: KnockdRow[] = [];
  for (const each of plan.knockd) {
    context.say(`knockd, ${each.tracked} tracked attempts`);
    const { network, folder } = await prepared(context);
    knockd.push(...(await knockdCosts(network, folder, each)));
    await network.dispose();
  }
  const growth = { knockd: growths(knockd), postern: growths(postern) };
  return { figures: { postern, knockd, growth }, ratios: ratiosOf(postern, knockd) };
}

async function prepared(context: BenchContext) {
  const network = await context.network();
  await dropAfterCapture(network);
  return { network, folder: await context.folder() };
}

type Row = PosternRow | KnockdRow;

function ratiosOf(postern: readonly Row[], knockd: readonly Row[]): Record<string, number> {
  const named = Object.entries(growths(postern)).map(
    ([kind, ratio]) => [`${kind}Growth`, ratio] as const,
  );
  const compared = (['first', 'live'] as const).map((kind) => {
    const theirs = rowsOf(knockd, kind).find(({ tracked }) => tracked === COMPARED_AT);
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

function rowsOf(rows: readonly Row[], kind: PacketKind): readonly Row[] {
  return rows.filter((row) => row.kind === kind);
}

function microsOf(row: Row | undefined): number {
  return row?.micros ?? Number.NaN;
}
