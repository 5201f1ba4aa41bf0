/**
 * One flood of spoofed knocks, while honest sources knock with a second between hits: how many of
 * them open, how late, what is lost on the way, and what it costs (T1).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Network } from '../../test/support/netns.js';
import type { FloodInput, FloodOutput } from '../flood-sender.js';
import type { KnockSenderInput, TimedFrame } from '../knock-sender.js';
import { quantile, rounded } from './figures.js';
import { hit, type Wire, wireOf } from './frames.js';
import { type ProgramName, type Running, start } from './programs.js';
import { cpuSeconds, familyOf, memoryOf, total, watchMemory } from './usage.js';

const FLOOD_SENDER = fileURLToPath(new URL('../flood-sender.js', import.meta.url));
const KNOCK_SENDER = fileURLToPath(new URL('../knock-sender.js', import.meta.url));
const PORTS = [18273, 9146, 31544];
/** 10.0.0.1 and on; nothing leaves the namespaces. */
const FIRST_SOURCE = 0x0a_00_00_01;
const BETWEEN_HITS_MS = 1000;
/** The flood is in full swing before the first honest knock. */
const LEAD_MS = 1000;

export interface FloodPlan {
  readonly program: ProgramName;
  readonly perSecond: number;
  readonly seconds: number;
  /** How many of the sequence's knocks each spoofed source sends. */
  readonly knocks: 1 | 2;
  readonly honest: number;
  /** Further lines of `[options]`. */
  readonly options?: string;
  /** How long after the flood memory is looked at once more. */
  readonly afterMs: number;
}

export interface FloodFigures {
  readonly program: ProgramName;
  readonly perSecond: number;
  readonly seconds: number;
  readonly knocks: number;
  readonly sent: number;
  readonly reachedPerSecond: number;
  /** Of postern: frames that its sensors took in. */
  readonly seen?: number;
  readonly lostShare?: number;
  readonly honest: number;
  readonly opened: number;
  readonly delayP50Ms: number;
  readonly delayMaxMs: number;
  /** Microseconds of processor time for a packet sent, all processes. */
  readonly cpuMicros: number;
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly beforePssMiB: number;
  readonly mostPssMiB: number;
  readonly afterPssMiB: number;
}

export async function flood(
  network: Network,
  folder: string,
  plan: FloodPlan,
): Promise<FloodFigures> {
  const stamps = join(folder, `${plan.program}.stamps`);
  await writeFile(stamps, '');
  const wire = await wireOf(network);
  const running = await start(plan.program, network, {
    doors: doorsOf(stamps),
    ...(plan.options !== undefined && { options: plan.options }),
    folder,
  });
  try {
    return await under(network, running, wire, plan, stamps);
  } finally {
    await running.dispose();
  }
}

function doorsOf(stamps: string): string {
  const command = `echo "%IP% $(date +%s%N)" >> ${stamps}`;
  return `[bench]\nsequence = ${PORTS.join(',')}\nseq_timeout = 5\ntcpflags = syn\ncommand = ${command}\n`;
}

async function under(
  network: Network,
  running: Running,
  wire: Wire,
  plan: FloodPlan,
  stamps: string,
): Promise<FloodFigures> {
  const before = memoryOf(familyOf(running.pid));
  const cpuBefore = cpuSeconds(running.pid);
  const memory = watchMemory(running.pid);
  const flooding = sendFlood(network, wire, plan);
  await sleep(LEAD_MS);
  const sentAt = await sendHonest(network, wire, plan);
  const { sent, seconds } = await flooding;
  // The last commands, and the last records on their way.
  await sleep(1500);
  const cpuAfter = cpuSeconds(running.pid);
  const most = memory.stop();
  const openedAt = await stampsBySource(stamps);
  const delays = [...sentAt].flatMap(([source, atMs]) => {
    const openedMs = openedAt.get(source);
    return openedMs === undefined ? [] : [openedMs - atMs];
  });
  const seen = await framesSeen(running);
  const hits = plan.honest * PORTS.length;
  await sleep(plan.afterMs);
  const after = memoryOf(familyOf(running.pid));
  const used = [...cpuAfter].map(([role, value]) => [
    role,
    rounded(value - (cpuBefore.get(role) ?? 0)),
  ]);
  return {
    ...{ program: plan.program, perSecond: plan.perSecond, seconds: plan.seconds },
    ...{ knocks: plan.knocks, sent, reachedPerSecond: Math.round(sent / seconds) },
    ...(seen !== undefined && { seen, lostShare: rounded(1 - seen / (sent + hits), 5) }),
    ...{ honest: plan.honest, opened: delays.length },
    delayP50Ms: rounded(quantile(delays, 0.5), 1),
    delayMaxMs: rounded(Math.max(...delays), 1),
    cpuMicros: rounded(((total(cpuAfter) - total(cpuBefore)) / sent) * 1e6, 2),
    cpuSeconds: Object.fromEntries(used),
    beforePssMiB: rounded(before.pssMiB, 0),
    mostPssMiB: rounded(most.pssMiB, 0),
    afterPssMiB: rounded(after.pssMiB, 0),
  };
}

async function sendFlood(network: Network, wire: Wire, plan: FloodPlan): Promise<FloodOutput> {
  const { perSecond, seconds, knocks } = plan;
  const input: FloodInput = {
    device: network.interfaces.client,
    frames: PORTS.slice(0, knocks).map((port) => hit(wire, '10.0.0.1', port)),
    ...{ perSecond, seconds, firstSource: FIRST_SOURCE, sources: 2 ** 23 },
  };
  const argv = [process.execPath, FLOOD_SENDER, JSON.stringify(input)];
  return JSON.parse(await network.must('client', argv, { timeoutMs: seconds * 1000 + 20_000 }));
}

/** Each from an address of its own; gives the wall clock at which each sent its last hit. */
async function sendHonest(
  network: Network,
  wire: Wire,
  plan: FloodPlan,
): Promise<Map<string, number>> {
  const spanMs = plan.seconds * 1000 - 2 * LEAD_MS - (PORTS.length - 1) * BETWEEN_HITS_MS;
  const frames: TimedFrame[] = [];
  for (let n = 0; n < plan.honest; n++) {
    const source = `192.0.2.${10 + n}`;
    const beginMs = (n * spanMs) / plan.honest;
    for (const [index, port] of PORTS.entries()) {
      frames.push({
        afterMs: beginMs + index * BETWEEN_HITS_MS,
        hex: hit(wire, source, port),
        ...(index === PORTS.length - 1 && { name: source }),
      });
    }
  }
  const input: KnockSenderInput = {
    device: network.interfaces.client,
    frames: frames.toSorted((a, b) => a.afterMs - b.afterMs),
  };
  const said = await network.must('client', [process.execPath, KNOCK_SENDER], {
    input: JSON.stringify(input),
    timeoutMs: plan.seconds * 1000 + 20_000,
  });
  return pairs(said, Number);
}

async function stampsBySource(stamps: string): Promise<Map<string, number>> {
  return pairs(
    await readFile(stamps, 'utf8'),
    (nanoseconds) => Number(BigInt(nanoseconds) / 1000n) / 1000,
  );
}

function pairs(text: string, read: (value: string) => number): Map<string, number> {
  const lines = text.split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [name = '', value = ''] = line.split(' ');
      return [name, read(value)];
    }),
  );
}

async function framesSeen({ postern }: Running): Promise<number | undefined> {
  if (postern === undefined) return undefined;
  const { sensors } = (await postern.status()) as unknown as { sensors: { frames: number }[] };
  return sensors.reduce((sum, { frames }) => sum + frames, 0);
}
