/** A postern with so many doors, each with a sequence of its own, and what is measured of it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Postern, startPostern } from '../../test/support/daemon.js';
import type { Network } from '../../test/support/netns.js';
import type { FloodInput } from '../flood-sender.js';
import { hit, wireOf } from './frames.js';
import { answerNothing, sendKnocks, spoofedSource } from './spoofed.js';
import { cpuSeconds, total } from './usage.js';

const FLOOD_SENDER = fileURLToPath(new URL('../flood-sender.js', import.meta.url));
/** Door n has the n-th port of each, so a thousand doors have three thousand ports. */
const FIRST_PORTS = [20_000, 30_000, 40_000];
/** In no sequence. */
const STRAY_PORT = 500;
/** Honest knocks come from addresses that no flood reaches. */
const FIRST_HONEST = 0xf0_00_00;
const FLOOD_SOURCES_FROM = 0x0a_00_00_01;
/** The records of the last packets are on their way. */
const SETTLE_MS = 300;
const BETWEEN_KNOCKS_MS = 60;
const BETWEEN_HITS_MS = 2;
/** Stands for the delay of a knock that did not open, so that no figure hides it. */
export const NEVER_MS = 10_000;
/** Has no common divisor with a thousand. */
const SPREAD = 37;

export interface Doors {
  readonly count: number;
  readonly network: Network;
  readonly postern: Postern;
  readonly stamps: string;
  /** From the start of the process to the line by which it says that it captures. */
  readonly startMs: number;
}

export type PacketKind = 'stray' | 'firstKnock';

export interface DoorsFlood {
  readonly kind: PacketKind;
  /** Floods are numbered, so that each has sources of its own. */
  readonly turn: number;
  readonly perSecond: number;
  readonly seconds: number;
}

export interface FloodCost {
  readonly sent: number;
  /** Microseconds of processor time for a packet, all processes. */
  readonly micros: number;
}

/** The folder must be new. */
export async function startDoors(network: Network, folder: string, count: number): Promise<Doors> {
  const stamps = join(folder, 'stamps');
  const conf = confOf(count, stamps);
  const beganMs = performance.now();
  const postern = await startPostern(network, { conf, folder });
  const startMs = performance.now() - beganMs;
  await writeFile(stamps, '');
  return { count, network, postern, stamps, startMs };
}

function confOf(count: number, stamps: string, lastTimeoutSeconds = 10): string {
  const command = `echo "%IP% $(date +%s%N)" >> ${stamps}`;
  const sections = Array.from({ length: count }, (_, door) => {
    const timeout = door === count - 1 ? lastTimeoutSeconds : 10;
    const rest = `seq_timeout = 5\ntcpflags = syn\ncommand = ${command}\ncmd_timeout = ${timeout}`;
    return `[door${door}]\nsequence = ${portsOf(door).join(',')}\n${rest}\n`;
  });
  return `[options]\nmax_attempts_per_minute = 0\n${sections.join('')}`;
}

function portsOf(door: number): readonly number[] {
  return FIRST_PORTS.map((first) => first + door);
}

/** What it uses when nothing happens, processor seconds a second. */
export async function idleCpu(all: readonly Doors[], seconds: number): Promise<readonly number[]> {
  const before = all.map(cpuOf);
  await sleep(seconds * 1000);
  return all.map((doors, index) => (cpuOf(doors) - (before[index] ?? 0)) / seconds);
}

function cpuOf({ postern }: Doors): number {
  return total(cpuSeconds(postern.pid));
}

/** Each packet from a source that was not seen before; what it uses when idle is taken off. */
export async function floodCost(
  doors: Doors,
  { kind, turn, perSecond, seconds }: DoorsFlood,
  idle: number,
): Promise<FloodCost> {
  const { network, count } = doors;
  const port = kind === 'stray' ? STRAY_PORT : portsOf(count - 1)[0];
  const input: FloodInput = {
    device: network.interfaces.client,
    frames: [hit(await wireOf(network), '10.0.0.1', port ?? STRAY_PORT)],
    ...{ perSecond, seconds, sources: FIRST_HONEST },
    firstSource: FLOOD_SOURCES_FROM + turn * perSecond * Math.ceil(seconds + 1),
  };
  const before = cpuOf(doors);
  const beganMs = performance.now();
  const argv = [process.execPath, FLOOD_SENDER, JSON.stringify(input)];
  const said = await network.must('client', argv, { timeoutMs: seconds * 1000 + 20_000 });
  const { sent } = z.object({ sent: z.number() }).parse(JSON.parse(said));
  await sleep(SETTLE_MS);
  const idled = (idle * (performance.now() - beganMs)) / 1000;
  const used = cpuOf(doors) - before - idled;
  return { sent, micros: (used / sent) * 1e6 };
}

/** Frames that its sensor has taken in since it started. */
export async function framesSeen({ postern }: Doors): Promise<number> {
  const status = z.object({ sensors: z.array(z.object({ frames: z.number() })) });
  const { sensors } = status.parse(await postern.status());
  return sensors.reduce((sum, { frames }) => sum + frames, 0);
}

/**
 * Single knocks at doors spread over all of them, each from a source of its own: milliseconds from the
 * last hit to the command, `NEVER_MS` where none came. The part from 0 to 1 of the time between two knocks
 * that it waits first keeps two that are measured at once out of each other's way.
 */
export async function knockDelays(doors: Doors, count: number, part: number): Promise<number[]> {
  const knocks = Array.from({ length: count }, (_, n) => ({
    source: spoofedSource(FIRST_HONEST + n),
    ports: portsOf((n * SPREAD) % doors.count),
    atMs: (n + part) * BETWEEN_KNOCKS_MS,
  }));
  const sentAt = await sendKnocks(doors.network, knocks, BETWEEN_HITS_MS);
  await sleep(SETTLE_MS);
  const openedAt = await stampsOf(doors.stamps);
  return [...sentAt].map(([source, atMs]) => delayOf(openedAt.get(source), atMs));
}

function delayOf(openedMs: number | undefined, sentMs: number): number {
  return openedMs === undefined ? NEVER_MS : openedMs - sentMs;
}

async function stampsOf(file: string): Promise<Map<string, number>> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [source = '', nanoseconds = '0'] = line.split(' ');
      return [source, Number(BigInt(nanoseconds) / 1000n) / 1000];
    }),
  );
}

/** From SIGHUP to the line that says that the changed configuration is in force. */
export async function reloadMs({ count, postern, stamps }: Doors, round: number): Promise<number> {
  const conf = confOf(count, stamps, 11 + round);
  const beganMs = performance.now();
  await postern.reload(conf, /configuration reloaded/);
  return performance.now() - beganMs;
}

/** A network in which floods are dropped as on a real host. */
export async function quietNetwork(network: Network): Promise<Network> {
  await answerNothing(network);
  return network;
}
