/**
 * What a packet costs postern while it tracks so many sources. Its table of sources is as large as
 * that and full: each new source pushes the oldest out, so that their number stays what it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/control/client.js';
import { stateDirAt } from '../../src/state-dir.js';
import type { Postern } from '../../test/support/daemon.js';
import type { Network } from '../../test/support/netns.js';
import { rounded } from './figures.js';
import { type Wire, wireOf } from './frames.js';
import {
  type CpuRate,
  type CpuSample,
  costOf,
  idleRate,
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
  readonly kinds: readonly PacketKind[];
}

export interface PosternRow extends PacketCost {
  readonly kind: PacketKind;
  readonly tracked: number;
  readonly packets: number;
  /** Frames of all kinds in that round that never reached the sensor; misses never do. */
  readonly lostShare: number;
}

/** The same for all kinds: a wake-up is shared by fewer packets when they come slower. */
const PER_SECOND = 20_000;
const FILL_PER_SECOND = 40_000;
const TURNS = 5;
/** No more than the smallest table takes in before the second knock wakes them. */
const LIVE = 1000;
/** Of each kind, before anything is counted: Node compiles what it runs often. */
const WARM_UP_PACKETS = LIVE * LIVE_CYCLE_LENGTH;
/** With fewer packets that are what they are called nothing was measured at all. */
const LEAST_SHARE = 0.5;
/** Nothing that is remembered goes for its age. */
const SEQ_TIMEOUT_SECONDS = 3600;
/** The last records on their way. */
const SETTLE_MS = 250;
/** The sensors' report, once a second. */
const REPORT_MS = 1300;
const LOOK_EVERY_MS = 50;

interface Counts {
  readonly frames: number;
  readonly dormant: number;
  readonly machines: number;
  /** Sources that began too many attempts. */
  readonly ignored: number;
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

/** A postern with its table full, whose packets are measured round by round. */
export interface FullPostern {
  measure(): Promise<readonly PosternRow[]>;
  dispose(): Promise<void>;
}

export async function fullPostern(
  network: Network,
  folder: string,
  plan: PosternPlan,
): Promise<FullPostern> {
  // The limit of attempts stays as it is by default, for it costs too: nobody comes near it.
  const options = `max_sources = ${plan.tracked}`;
  const doors = doorWithin(SEQ_TIMEOUT_SECONDS);
  const running = await start('postern', network, { doors, options, folder });
  try {
    const { postern } = running;
    if (postern === undefined) throw new Error('postern does not run');
    const run: Run = {
      network,
      wire: await wireOf(network),
      postern,
      plan,
      nextSource: NEW_SOURCES,
    };
    await fill(run);
    for (const kind of plan.kinds) await send(run, kind, WARM_UP_PACKETS);
    // Meanwhile the sensors tell of all that.
    const idle = await idleRate(postern.pid, REPORT_MS);
    return { measure: () => measureRound(run, idle), dispose: () => running.dispose() };
  } catch (error) {
    await running.dispose();
    throw error;
  }
}

/** Attempts under way and new sources until all are there, whatever is lost on the way. */
async function fill(run: Run): Promise<void> {
  const { tracked } = run.plan;
  let counts = await countsOf(run);
  for (let turn = 0; turn < TURNS; turn++) {
    if (counts.machines < LIVE) await send(run, 'live', LIVE * LIVE_CYCLE_LENGTH);
    // The attempts that have begun before they were all there took room in the table.
    await sendNew(run, 'first', tracked - counts.dormant, FILL_PER_SECOND);
    await sleep(SETTLE_MS);
    counts = await countsOf(run);
    if (counts.dormant === tracked && counts.machines === LIVE) return;
  }
  const { dormant, machines } = counts;
  throw new Error(`${dormant} sources and ${machines} attempts, not ${tracked} and ${LIVE}`);
}

async function measureRound(run: Run, idle: CpuRate): Promise<readonly PosternRow[]> {
  const { postern, plan } = run;
  const { tracked, packets, kinds } = plan;
  const before = await countsOf(run);
  const windows: { kind: PacketKind; from: CpuSample; to: CpuSample }[] = [];
  for (const kind of kinds) {
    const from = sampleCpu(postern.pid);
    await send(run, kind, packets);
    await sleep(SETTLE_MS);
    windows.push({ kind, from, to: sampleCpu(postern.pid) });
  }
  const frames = packets * kinds.filter((kind) => kind !== 'miss').length;
  const after = await countsAfter(run, before.frames + frames);
  check(plan, frames, before, after);
  const lostShare = rounded(Math.max(0, 1 - (after.frames - before.frames) / frames), 5);
  return windows.map(({ kind, from, to }) => {
    // What was lost cost nothing; a miss costs what it costs without being seen.
    const seen = kind === 'miss' ? packets : packets * (1 - lostShare);
    return { kind, tracked, packets, lostShare, ...costOf(from, to, idle, seen) };
  });
}

/** That the packets were what they are called, but for what a busy machine loses. */
function check(
  { packets, kinds }: PosternPlan,
  frames: number,
  before: Counts,
  after: Counts,
): void {
  const newOnes = packets * kinds.filter((kind) => kind === 'first' || kind === 'stray').length;
  const seen = after.frames - before.frames;
  const pushedOut = after.evicted - before.evicted;
  const isRight = [
    seen >= frames * LEAST_SHARE,
    // No miss is seen.
    seen < frames + packets * LEAST_SHARE,
    pushedOut >= newOnes * LEAST_SHARE,
    // Sources of live attempts push none out.
    pushedOut < newOnes + packets * LEAST_SHARE,
    after.machines >= LIVE * LEAST_SHARE,
    after.ignored === 0,
  ].every(Boolean);
  if (isRight) return;
  const told = JSON.stringify({ packets, kinds, before, after });
  throw new Error(`the packets were not what was to be measured: ${told}`);
}

async function send(run: Run, kind: PacketKind, packets: number): Promise<void> {
  if (kind !== 'live') return sendNew(run, kind, packets, PER_SECOND);
  const burst = { kind, packets, perSecond: PER_SECOND };
  const pool = { firstSource: LIVE_SOURCES, sources: LIVE };
  await sendBurst(run.network, run.wire, { ...burst, ...pool });
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

/** As soon as the sensors have told of so many frames, or when they have had time to. */
async function countsAfter(run: Run, frames: number): Promise<Counts> {
  const endMs = performance.now() + REPORT_MS;
  for (;;) {
    const counts = await countsOf(run);
    if (counts.frames >= frames || performance.now() > endMs) return counts;
    await sleep(LOOK_EVERY_MS);
  }
}

async function countsOf({ postern }: Run): Promise<Counts> {
  for await (const reply of ask(stateDirAt(postern.stateDir).controlSocket, {
    command: 'status',
  })) {
    if (!('status' in reply)) continue;
    const { sensors, knocks } = reply.status;
    const { dormant, machines, ignored, dormantEvicted } = knocks;
    const frames = sensors.reduce((sum, sensor) => sum + sensor.frames, 0);
    return { frames, dormant, machines, ignored, evicted: dormantEvicted };
  }
  throw new Error('postern does not tell its status');
}
