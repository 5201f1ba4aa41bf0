/** Scans of all ports, back to back, against doors of every shape; then honest knocks (T3). */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../test/support/eventually.js';
import { linesOf } from '../../test/support/lines.js';
import type { Network } from '../../test/support/netns.js';
import type { KnockSenderInput } from '../knock-sender.js';
import type { Scan, ScanInput, ScanOutput } from '../scan-sender.js';
import { rounded } from './figures.js';
import { hit, type Wire, wireOf } from './frames.js';
import { type ProgramName, type Running, start } from './programs.js';
import { ORDERS, type Order, protocolOf } from './scan-frames.js';
import { cpuSeconds, total } from './usage.js';

const SCAN_SENDER = fileURLToPath(new URL('../scan-sender.js', import.meta.url));
const KNOCK_SENDER = fileURLToPath(new URL('../knock-sender.js', import.meta.url));
/** Who scans. Honest knocks come from 192.0.2.10 and on. */
const SCANNER = '10.0.0.1';
/** As long as seven scans: what one of them began, another may complete. */
const SEQ_TIMEOUT_S = 15;
const BETWEEN_HITS_MS = 20;
const OPENS_WITHIN_MS = 5000;

/** Doors by the shape of their sequences. */
const SHAPES = {
  rising: [7000, 19_000, 31_000],
  falling: [31_001, 19_001, 7001],
  mixed: [7002, 31_002, 19_002],
  consecutive: [8000, 8001, 8002],
} as const;
export type Shape = keyof typeof SHAPES;

/** Doors in UDP have ports of their own. */
const UDP_PORTS_ON = 20_000;

export interface ScanPlan {
  readonly name: string;
  readonly program: ProgramName;
  /**
   * A process each, all on one wire: the knocks of one door spoil attempts at another (M6), so that
   * doors together are harder to open than each alone.
   */
  readonly shapes: readonly Shape[];
  readonly scans: readonly Scan[];
  /** Of the doors; absent: any. */
  readonly tcpFlags?: 'syn';
  /** Lines of `[options]`, for postern alone. */
  readonly options?: string;
  readonly perSecond: number;
  readonly seed: number;
}

export interface ScanFigures {
  readonly name: string;
  readonly program: ProgramName;
  readonly options: string;
  readonly probes: readonly string[];
  readonly scans: Readonly<Record<Order, number>>;
  readonly seed: number;
  readonly reachedPerSecond: number;
  readonly sent: number;
  /** Of postern: frames that its sensors took in. */
  readonly seen?: number;
  readonly lostShare?: number;
  /** Openings for the source that scans. */
  readonly opened: number;
  readonly openedByDoor: Readonly<Record<string, number>>;
  /** By the time of the opening: one that comes late counts for the next scan. */
  readonly scansThatOpened: number;
  /** Knocks on each door after the scans, each from a source of its own. */
  readonly honest: number;
  readonly honestOpened: number;
  /** Microseconds of processor time for a packet of the scans, each process. */
  readonly cpuMicros: number;
}

interface Door {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly ports: readonly number[];
}

interface Opening {
  readonly door: string;
  readonly source: string;
  readonly atMs: number;
}

export async function scan(network: Network, folder: string, plan: ScanPlan): Promise<ScanFigures> {
  const file = join(folder, 'opened');
  await writeFile(file, '');
  await dropScans(network);
  const [doors, running]: [Door[], Running[]] = [[], []];
  try {
    for (const shape of plan.shapes) {
      const own = doorsOf(shape, plan);
      running.push(
        await start(plan.program, network, {
          doors: own.map((door) => textOf(door, plan, file)).join(''),
          ...(plan.options !== undefined && { options: plan.options }),
          folder: join(folder, shape),
        }),
      );
      doors.push(...own);
    }
    return await under(network, { plan, doors, file, running });
  } finally {
    await Promise.all(running.map((each) => each.dispose()));
  }
}

/** As a firewall drops what comes in uninvited; whoever captures has seen it before. */
async function dropScans(network: Network): Promise<void> {
  const rules = `table ip scanned {
    chain prerouting { type filter hook prerouting priority raw; ip saddr ${SCANNER} drop; }
  }`;
  await network.must('server', ['nft', '-f', '-'], { input: rules });
}

/** A door for each protocol that is scanned. */
function doorsOf(shape: Shape, { scans }: ScanPlan): Door[] {
  const protocols = new Set(scans.map(({ probe }) => protocolOf(probe)));
  return [...protocols].map((protocol) =>
    protocol === 'tcp'
      ? { name: shape, protocol, ports: SHAPES[shape] }
      : { name: `${shape}-udp`, protocol, ports: SHAPES[shape].map((port) => port + UDP_PORTS_ON) },
  );
}

function textOf({ name, protocol, ports }: Door, { tcpFlags }: ScanPlan, file: string): string {
  const sequence = ports.map((port) => (protocol === 'udp' ? `${port}:udp` : port)).join(',');
  const lines = [
    `[${name}]`,
    `sequence = ${sequence}`,
    `seq_timeout = ${SEQ_TIMEOUT_S}`,
    ...(tcpFlags === undefined ? [] : [`tcpflags = ${tcpFlags}`]),
    `command = echo "${name} %IP% $(date +%s%N)" >> ${file}`,
  ];
  return `${lines.join('\n')}\n`;
}

interface Stage {
  readonly plan: ScanPlan;
  readonly doors: readonly Door[];
  readonly file: string;
  readonly running: readonly Running[];
}

async function under(network: Network, stage: Stage): Promise<ScanFigures> {
  const { plan, doors, file, running } = stage;
  const wire = await wireOf(network);
  const cpuBefore = cpuOf(running);
  const { sent, seconds, beganAtMs } = await send(network, wire, plan);
  const cpuMicros = ((cpuOf(running) - cpuBefore) / sent / running.length) * 1e6;
  const honest = await sendHonest(network, wire, doors);
  const openings = await openingsOnce(file, honest);
  const opened = openings.filter(({ source }) => source === SCANNER);
  const seen = await framesSeen(running);
  const hits = doors.reduce((sum, { ports }) => sum + ports.length, 0);
  const share = (seen ?? 0) / running.length / (sent + hits);
  return {
    ...{ name: plan.name, program: plan.program, options: plan.options ?? '', seed: plan.seed },
    probes: [...new Set(plan.scans.map(({ probe }) => probe))],
    scans: countsOf(plan.scans),
    ...{ reachedPerSecond: Math.round(sent / seconds), sent },
    ...(seen !== undefined && { seen, lostShare: rounded(1 - share, 5) }),
    opened: opened.length,
    openedByDoor: byDoor(opened, doors),
    scansThatOpened: new Set(opened.map(({ atMs }) => scanAt(beganAtMs, atMs))).size,
    honest: honest.size,
    honestOpened: openings.filter(({ source, door }) => honest.get(source) === door).length,
    cpuMicros: rounded(cpuMicros, 3),
  };
}

function cpuOf(running: readonly Running[]): number {
  return running.reduce((sum, { pid }) => sum + total(cpuSeconds(pid)), 0);
}

async function send(network: Network, wire: Wire, plan: ScanPlan): Promise<ScanOutput> {
  const { scans, seed, perSecond } = plan;
  const device = network.interfaces.client;
  const input: ScanInput = { device, wire, source: SCANNER, scans, seed, perSecond };
  const argv = [process.execPath, SCAN_SENDER, JSON.stringify(input)];
  const timeoutMs = 30_000 + scans.length * 10_000;
  return JSON.parse(await network.must('client', argv, { timeoutMs }));
}

/** One knock on each door; gives which source knocked on which. */
async function sendHonest(
  network: Network,
  wire: Wire,
  doors: readonly Door[],
): Promise<Map<string, string>> {
  const honest = doors.map((door, index) => ({ door, source: `192.0.2.${10 + index}` }));
  const frames = honest
    .flatMap(({ door: { ports, protocol }, source }) =>
      ports.map((port) => hit(wire, source, port, protocol)),
    )
    .map((hex, index) => ({ afterMs: index * BETWEEN_HITS_MS, hex }));
  const input: KnockSenderInput = { device: network.interfaces.client, frames };
  const argv = [process.execPath, KNOCK_SENDER];
  await network.must('client', argv, { input: JSON.stringify(input) });
  return new Map(honest.map(({ door, source }) => [source, door.name]));
}

/** All openings, as soon as the honest ones are there, or cannot be expected any more. */
async function openingsOnce(
  file: string,
  honest: ReadonlyMap<string, string>,
): Promise<readonly Opening[]> {
  const all = async () => {
    const sources = new Set((await openingsIn(file)).map(({ source }) => source));
    return [...honest.keys()].every((source) => sources.has(source));
  };
  // That some did not open is a figure.
  await eventually('they open', all, { withinMs: OPENS_WITHIN_MS }).catch(() => undefined);
  return openingsIn(file);
}

async function openingsIn(file: string): Promise<Opening[]> {
  return (await linesOf(file)).map((line) => {
    const [door = '', source = '', nanoseconds = '0'] = line.split(' ');
    return { door, source, atMs: Number(BigInt(nanoseconds) / 1000n) / 1000 };
  });
}

function scanAt(beganAtMs: readonly number[], atMs: number): number {
  return beganAtMs.findLastIndex((beganMs) => beganMs <= atMs);
}

function countsOf(scans: readonly Scan[]): Record<Order, number> {
  const of = (order: Order) => scans.filter((each) => each.order === order).length;
  const [random, ascending, descending] = ORDERS.map(of);
  return { random: random ?? 0, ascending: ascending ?? 0, descending: descending ?? 0 };
}

function byDoor(openings: readonly Opening[], doors: readonly Door[]): Record<string, number> {
  const count = (name: string) => openings.filter(({ door }) => door === name).length;
  return Object.fromEntries(doors.map(({ name }) => [name, count(name)]));
}

async function framesSeen(running: readonly Running[]): Promise<number | undefined> {
  let seen: number | undefined;
  for (const { postern } of running) {
    if (postern === undefined) continue;
    const { stdout } = await postern.ask('status', '--json');
    const { sensors }: { readonly sensors: readonly { readonly frames: number }[] } =
      JSON.parse(stdout);
    seen = sensors.reduce((sum, { frames }) => sum + frames, seen ?? 0);
  }
  return seen;
}
