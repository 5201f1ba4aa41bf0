/**
 * What a packet costs postern while it tracks so many sources. Its table of sources is as large as
 * that and full: each new source pushes the oldest out, so that their number stays what it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Postern } from '../../test/support/daemon.js';
import type { Network } from '../../test/support/netns.js';
import { rounded } from './figures.js';
import { type Wire, wireOf } from './frames.js';
import {
  type CpuRate,
  costOf,
  idleRate,
  leastOf,
  type PacketCost,
  sampleCpu,
} from './packet-cpu.js';
import {
  doorWithin,
  LIVE_CYCLE_LENGTH,
  LIVE_SOURCES,
  NEW_SOURCES,
  type PacketKind,
  sendBurst,
} from './packet-traffic.js';
import { start } from './programs.js';

export interface PosternPlan {
  readonly tracked: number;
  /** For each kind and round: whole cycles of live knocks, 8,000 each. */
  readonly packets: number;
  readonly rounds: number;
  readonly kinds: readonly PacketKind[];
  /** How long it is looked at while nothing comes. */
  readonly idleMs: number;
}

export interface PosternRow extends PacketCost {
  readonly kind: PacketKind;
  readonly tracked: number;
  readonly packets: number;
  /** Frames that never reached the sensor; of misses none does. */
  readonly lostShare: number;
}

/** The same for all kinds: a wake-up is shared by fewer packets when they come slower. */
const PER_SECOND = 20_000;
const FILL_PER_SECOND = 40_000;
const TURNS = 5;
/** No more than the smallest table takes in before the second knock wakes them. */
const LIVE = 1000;
/** More, and the packets are not what they are called. */
const MAX_LOST = 0.05;
/** Nothing that is remembered goes for its age. */
const SEQ_TIMEOUT_SECONDS = 3600;
/** The last records on their way, and the sensors' report, once a second. */
const SETTLE_MS = 1300;

interface Counts {
  readonly frames: number;
  readonly dormant: number;
  readonly machines: number;
  readonly evicted: number;
}

interface Run {
  readonly network: Network;
  readonly wire: Wire;
  readonly postern: Postern;
  readonly plan: PosternPlan;
  /** The source that comes next: none is new twice. */
  nextSource: number;
}

export async function posternCosts(
  network: Network,
  folder: string,
  plan: PosternPlan,
): Promise<PosternRow[]> {
  const options = `max_sources = ${plan.tracked}`;
  const doors = doorWithin(SEQ_TIMEOUT_SECONDS);
  const running = await start('postern', network, { doors, options, folder });
  try {
    const { postern } = running;
    if (postern === undefined) throw new Error('postern does not run');
    const wire = await wireOf(network);
    return await measure({ network, wire, postern, plan, nextSource: NEW_SOURCES });
  } finally {
    await running.dispose();
  }
}

async function measure(run: Run): Promise<PosternRow[]> {
  let counts = await begin(run);
  const { postern, plan } = run;
  const idle = await idleRate(() => sampleCpu(postern.pid), plan.idleMs);
  const rows: PosternRow[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    for (const kind of plan.kinds) {
      const measured = await measureOne(run, kind, idle, counts);
      rows.push(measured.row);
      counts = measured.counts;
    }
  }
  return plan.kinds.map((kind) => leastOf(rows.filter((row) => row.kind === kind)));
}

/** Attempts under way and new sources until all are there, whatever is lost on the way. */
async function begin(run: Run): Promise<Counts> {
  const { tracked } = run.plan;
  let counts = await countsOf(run);
  for (let turn = 0; turn < TURNS; turn++) {
    if (counts.machines < LIVE) await sendLive(run, LIVE * LIVE_CYCLE_LENGTH);
    // The attempts that have begun before they were all there took room in the table.
    await sendNew(run, 'first', tracked - counts.dormant, FILL_PER_SECOND);
    await sleep(SETTLE_MS);
    counts = await countsOf(run);
    if (counts.dormant === tracked && counts.machines === LIVE) return counts;
  }
  const { dormant, machines } = counts;
  throw new Error(`${dormant} sources and ${machines} attempts, not ${tracked} and ${LIVE}`);
}

async function measureOne(run: Run, kind: PacketKind, idle: CpuRate, countsBefore: Counts) {
  const { postern, plan } = run;
  const { tracked, packets } = plan;
  const before = sampleCpu(postern.pid);
  await (kind === 'live' ? sendLive(run, packets) : sendNew(run, kind, packets, PER_SECOND));
  await sleep(SETTLE_MS);
  const after = sampleCpu(postern.pid);
  const counts = await countsOf(run);
  const seen = counts.frames - countsBefore.frames;
  check(kind, packets, countsBefore, counts);
  // What was lost cost nothing; a miss costs what it costs without being seen.
  const cost = costOf(before, after, idle, kind === 'miss' ? packets : seen);
  const lostShare = kind === 'miss' ? 0 : rounded(1 - seen / packets, 5);
  const row: PosternRow = { kind, tracked, packets, lostShare, ...cost };
  return { row, counts };
}

/** That the packets were what they are called. */
function check(kind: PacketKind, packets: number, before: Counts, after: Counts): void {
  const seen = after.frames - before.frames;
  const pushedOut = after.evicted - before.evicted;
  const tolerated = packets * MAX_LOST;
  const isNew = kind === 'first' || kind === 'stray';
  const isRight = [
    kind === 'miss' ? seen < tolerated : seen >= packets - tolerated,
    isNew ? pushedOut >= packets - tolerated : pushedOut < tolerated,
    after.machines >= LIVE * (1 - MAX_LOST),
  ].every(Boolean);
  if (isRight) return;
  const told = JSON.stringify({ kind, packets, before, after });
  throw new Error(`the packets were not what was to be measured: ${told}`);
}

async function sendNew(
  run: Run,
  kind: PacketKind,
  packets: number,
  perSecond: number,
): Promise<void> {
  if (packets === 0) return;
  const firstSource = run.nextSource;
  run.nextSource += packets;
  if (run.nextSource > LIVE_SOURCES) throw new Error('there are no more new sources');
  await sendBurst(run.network, run.wire, { kind, packets, perSecond, firstSource });
}

async function sendLive(run: Run, packets: number): Promise<void> {
  const burst = { kind: 'live', packets, perSecond: PER_SECOND } as const;
  const pool = { firstSource: LIVE_SOURCES, sources: LIVE };
  await sendBurst(run.network, run.wire, { ...burst, ...pool });
}

/** What `postern status` tells that a test does not read. */
interface FullStatus {
  readonly sensors: readonly { readonly frames: number }[];
  readonly knocks: Readonly<Record<'dormant' | 'machines' | 'dormantEvicted', number>>;
}

async function countsOf({ postern }: Run): Promise<Counts> {
  const { code, stdout, stderr } = await postern.ask('status', '--json');
  if (code !== 0) throw new Error(`postern does not tell its status: ${stderr}`);
  const { sensors, knocks }: FullStatus = JSON.parse(stdout);
  const frames = sensors.reduce((sum, sensor) => sum + sensor.frames, 0);
  const { dormant, machines, dormantEvicted } = knocks;
  return { frames, dormant, machines, evicted: dormantEvicted };
}
