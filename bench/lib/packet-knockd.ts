/**
 * What a packet costs knockd while it tracks so many attempts. It looks at all of them for each
 * packet, so the packets are few and slow: a window of new ones is counted around its middle.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Network } from '../../test/support/netns.js';
import { Program } from '../../test/support/program.js';
import { rounded } from './figures.js';
import { type Wire, wireOf } from './frames.js';
import { type CpuRate, costOf, idleRate, type PacketCost, sampleCpu } from './packet-cpu.js';
import {
  type Burst,
  doorWithin,
  LIVE_STAGES,
  NEW_SOURCES,
  type PacketKind,
  sendBurst,
} from './packet-traffic.js';

export interface KnockdPlan {
  readonly tracked: number;
  readonly kinds: readonly Exclude<PacketKind, 'stray'>[];
}

export interface KnockdRow extends PacketCost {
  readonly kind: PacketKind;
  readonly tracked: number;
  readonly packets: number;
  /** Those that it did not tell of. */
  readonly lostShare: number;
}

const PER_SECOND = 2000;
const FILL_PER_SECOND = 4000;
const LIVE = 500;
const NEW = 1000;
const MISSES = 10_000;
/** Of the attempts that are to be tracked this much may be missing, after so many turns. */
const MISSING_SHARE = 0.02;
const TURNS = 5;
const SEQ_TIMEOUT_SECONDS = 3600;
const IDLE_MS = 500;
const QUIET_MS = 250;
/** A share of a core: less is idle. */
const BUSY = 0.02;
const STAGE_LINE = /: Stage \d+$/gm;

interface Run {
  readonly network: Network;
  readonly wire: Wire;
  readonly knockd: Program;
  readonly plan: KnockdPlan;
}

/** A knockd with all its attempts under way, whose packets are measured once. */
export interface FullKnockd {
  measure(): Promise<readonly KnockdRow[]>;
  dispose(): Promise<void>;
}

export async function fullKnockd(
  network: Network,
  folder: string,
  plan: KnockdPlan,
): Promise<FullKnockd> {
  const file = join(folder, 'knockd.conf');
  await mkdir(folder, { recursive: true });
  await writeFile(file, doorWithin(SEQ_TIMEOUT_SECONDS));
  const argv = ['knockd', '-v', '-i', network.interfaces.server, '-c', file];
  const knockd = new Program(network.spawn('server', [...argv, '-p', `${file}.pid`]));
  const run: Run = { network, wire: await wireOf(network), knockd, plan };
  try {
    await knockd.waitFor(/listening/);
    const bursts = burstsOf(plan, await fill(run, filledOf(plan)));
    const idle = await idleRate(knockd.pid, IDLE_MS);
    return { measure: () => measure(run, bursts, idle), dispose: () => knockd.dispose() };
  } catch (error) {
    await knockd.dispose();
    throw error;
  }
}

/** Half of the new sources come before the middle of their window, half after it. */
function filledOf({ tracked }: KnockdPlan): number {
  return tracked - NEW / 2;
}

type Bursts = Readonly<Record<KnockdPlan['kinds'][number], Burst>>;

function burstsOf(plan: KnockdPlan, nextSource: number): Bursts {
  const step = Math.floor(filledOf(plan) / LIVE);
  const live = { firstSource: NEW_SOURCES, sources: LIVE, step };
  const fresh = { perSecond: PER_SECOND, firstSource: nextSource };
  return {
    miss: { kind: 'miss', ...fresh, packets: MISSES },
    first: { kind: 'first', ...fresh, packets: NEW },
    // Without the knocks that begin anew: those attempts would all stand at the same end of its list.
    live: { kind: 'live', ...live, packets: LIVE * LIVE_STAGES, perSecond: PER_SECOND },
  };
}

async function measure(run: Run, bursts: Bursts, idle: CpuRate): Promise<KnockdRow[]> {
  const rows: KnockdRow[] = [];
  for (const kind of run.plan.kinds) rows.push(await measureOne(run, idle, bursts[kind]));
  return rows;
}

/** Gives the first source that is still new. */
async function fill(run: Run, attempts: number): Promise<number> {
  let nextSource = NEW_SOURCES;
  let begun = 0;
  for (let turn = 0; turn < TURNS && begun < attempts * (1 - MISSING_SHARE); turn++) {
    const packets = attempts - begun;
    const burst = { kind: 'first', packets, firstSource: nextSource } as const;
    begun += (await send(run, { ...burst, perSecond: FILL_PER_SECOND })).told;
    nextSource += packets;
  }
  if (begun >= attempts * (1 - MISSING_SHARE)) return nextSource;
  throw new Error(`${begun} of ${attempts} attempts have begun`);
}

async function measureOne(run: Run, idle: CpuRate, burst: Burst): Promise<KnockdRow> {
  const { kind, packets } = burst;
  const { tracked } = run.plan;
  const { before, after, told } = await send(run, burst);
  const isRight = kind === 'miss' ? told === 0 : told > 0;
  if (!isRight) throw new Error(`knockd told of ${told} stages at ${packets} packets (${kind})`);
  // It tells of each knock with a line.
  const lostShare = kind === 'miss' ? 0 : rounded(1 - told / packets, 5);
  // What was lost cost nothing.
  const cost = costOf(before, after, idle, kind === 'miss' ? packets : told);
  return { kind, tracked, packets, lostShare, ...cost };
}

/** Sends, waits until knockd has done all of it, and counts the stages that it told of. */
async function send({ network, wire, knockd }: Run, burst: Burst) {
  const from = knockd.logs.length;
  const before = sampleCpu(knockd.pid);
  await sendBurst(network, wire, burst);
  await untilIdle(knockd.pid);
  const after = sampleCpu(knockd.pid);
  const told = knockd.logs.slice(from).match(STAGE_LINE)?.length ?? 0;
  return { before, after, told };
}

async function untilIdle(pid: number): Promise<void> {
  for (let used = 1; used > BUSY; ) {
    const rate = await idleRate(pid, QUIET_MS);
    used = rate.get('core') ?? 0;
  }
}
