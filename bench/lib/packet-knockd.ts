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
import { type CpuRate, costOf, idleRate, type PacketCost, sampleThread } from './packet-cpu.js';
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
}

export interface KnockdRow extends PacketCost {
  readonly kind: PacketKind;
  readonly tracked: number;
  readonly packets: number;
  readonly lostShare: number;
}

const PER_SECOND = 2000;
const FILL_PER_SECOND = 4000;
const LIVE = 500;
const NEW = 1000;
const MISSES = 10_000;
const MAX_LOST = 0.05;
const SEQ_TIMEOUT_SECONDS = 3600;
const IDLE_MS = 1000;
const QUIET_MS = 500;
/** A share of a core: less is idle. */
const BUSY = 0.02;
const STAGE_LINE = /: Stage \d+$/gm;

interface Run {
  readonly network: Network;
  readonly wire: Wire;
  readonly knockd: Program;
  readonly plan: KnockdPlan;
}

export async function knockdCosts(
  network: Network,
  folder: string,
  plan: KnockdPlan,
): Promise<KnockdRow[]> {
  const file = join(folder, 'knockd.conf');
  await mkdir(folder, { recursive: true });
  await writeFile(file, doorWithin(SEQ_TIMEOUT_SECONDS));
  const argv = ['knockd', '-v', '-i', network.interfaces.server, '-c', file];
  const knockd = new Program(network.spawn('server', [...argv, '-p', `${file}.pid`]));
  try {
    await knockd.waitFor(/listening/);
    return await measure({ network, wire: await wireOf(network), knockd, plan });
  } finally {
    await knockd.dispose();
  }
}

async function measure(run: Run): Promise<KnockdRow[]> {
  // Half of the new sources come before the middle of their window, half after it.
  const filled = run.plan.tracked - NEW / 2;
  const fill = { kind: 'first', packets: filled, firstSource: NEW_SOURCES } as const;
  const { told } = await send(run, { ...fill, perSecond: FILL_PER_SECOND });
  if (told < filled * (1 - MAX_LOST)) throw new Error(`${told} of ${filled} attempts have begun`);
  const idle = await idleRate(() => sampleThread(run.knockd.pid), IDLE_MS);
  const live = { firstSource: NEW_SOURCES, sources: LIVE, step: Math.floor(filled / LIVE) };
  const fresh = { perSecond: PER_SECOND, firstSource: NEW_SOURCES + filled };
  // Without the knocks that begin anew: those attempts would all stand at the same end of its list.
  const onward = { packets: LIVE * LIVE_STAGES, perSecond: PER_SECOND };
  return [
    await measureOne(run, idle, { kind: 'miss', ...fresh, packets: MISSES }),
    await measureOne(run, idle, { kind: 'first', ...fresh, packets: NEW }),
    await measureOne(run, idle, { kind: 'live', ...live, ...onward }),
  ];
}

async function measureOne(run: Run, idle: CpuRate, burst: Burst): Promise<KnockdRow> {
  const { kind, packets } = burst;
  const { tracked } = run.plan;
  const { before, after, told } = await send(run, burst);
  // It tells of each knock with a line.
  const lostShare = kind === 'miss' ? 0 : 1 - told / packets;
  if (Math.abs(lostShare) > MAX_LOST || (kind === 'miss' && told > 0)) {
    throw new Error(`knockd told of ${told} stages at ${packets} packets (${kind})`);
  }
  const cost = costOf(before, after, idle, packets);
  return { kind, tracked, packets, lostShare: rounded(lostShare, 5), ...cost };
}

/** Sends, waits until knockd has done all of it, and counts the stages that it told of. */
async function send({ network, wire, knockd }: Run, burst: Burst) {
  const from = knockd.logs.length;
  const before = sampleThread(knockd.pid);
  await sendBurst(network, wire, burst);
  await untilIdle(knockd.pid);
  const after = sampleThread(knockd.pid);
  const told = knockd.logs.slice(from).match(STAGE_LINE)?.length ?? 0;
  return { before, after, told };
}

async function untilIdle(pid: number): Promise<void> {
  for (let used = 1; used > BUSY; ) {
    const rate = await idleRate(() => sampleThread(pid), QUIET_MS);
    used = rate.get('core') ?? 0;
  }
}
