/** Blocks of knocks whose doors run a command that writes down when it ran. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Network } from '../../test/support/netns.js';
import type { KnockSenderInput } from '../knock-sender.js';
import type { FloorInput } from '../latency-floor.js';
import { hit, type Wire, wireOf } from './frames.js';
import {
  BETWEEN_HITS_MS,
  type Bench,
  LOST_MS,
  type Plan,
  PORTS,
  pauseMs,
  sourceOf,
} from './latency.js';
import { type ProgramName, start } from './programs.js';

const KNOCK_SENDER = fileURLToPath(new URL('../knock-sender.js', import.meta.url));
const FLOOR = fileURLToPath(new URL('../latency-floor.js', import.meta.url));
/** The last command's, knockd's poll included. */
const LAST_MS = 300;

interface Knock {
  readonly source: string;
  /** Of its last hit, after the start of the sender. */
  readonly afterMs: number;
}

export async function commandBlock(bench: Bench, name: ProgramName): Promise<number[]> {
  const { network, folder } = bench;
  const stamps = await emptyStamps(bench);
  const doors = `[bench]
sequence = ${PORTS.join(',')}
seq_timeout = 5
tcpflags = syn
command = ${commandFor('%IP%', stamps)}
`;
  const running = await start(name, network, { doors, folder: join(folder, name) });
  try {
    const wire = await wireOf(network);
    const knocks = knocksOf(bench.plan);
    const frames = knocks.flatMap((knock) => framesOf(knock, wire));
    const input: KnockSenderInput = { device: network.interfaces.client, frames };
    const sent = await say(network, 'client', KNOCK_SENDER, input);
    return await delays(knocks, sent, stamps);
  } finally {
    await running.dispose();
  }
}

export async function floorBlock(bench: Bench): Promise<number[]> {
  const stamps = await emptyStamps(bench);
  const knocks = knocksOf(bench.plan);
  const commands = knocks.map(({ source, afterMs }) => {
    return { name: source, afterMs, command: commandFor(source, stamps) };
  });
  const input: FloorInput = { commands };
  const started = await say(bench.network, 'server', FLOOR, input);
  return delays(knocks, started, stamps);
}

/** One program, which the shell becomes: its first act is to look at the clock. */
function commandFor(source: string, stamps: string): string {
  return `date "+${source} %s%N" >> ${stamps}`;
}

async function emptyStamps({ folder }: Bench): Promise<string> {
  const stamps = join(folder, 'stamps');
  await writeFile(stamps, '');
  return stamps;
}

function knocksOf({ knocks }: Plan): Knock[] {
  let afterMs = 0;
  return Array.from({ length: knocks }, (_, index) => {
    afterMs += pauseMs() + (PORTS.length - 1) * BETWEEN_HITS_MS;
    return { source: sourceOf(index), afterMs };
  });
}

function framesOf({ source, afterMs }: Knock, wire: Wire) {
  const last = PORTS.length - 1;
  return PORTS.map((port, index) => ({
    afterMs: afterMs - (last - index) * BETWEEN_HITS_MS,
    hex: hit(wire, source, port),
    ...(index === last && { name: source }),
  }));
}

async function say(
  network: Network,
  side: 'client' | 'server',
  program: string,
  input: KnockSenderInput | FloorInput,
): Promise<ReadonlyMap<string, number>> {
  const said = await network.must(side, [process.execPath, program], {
    input: JSON.stringify(input),
    timeoutMs: 120_000,
  });
  return pairs(said, Number);
}

async function delays(
  knocks: readonly Knock[],
  sent: ReadonlyMap<string, number>,
  stamps: string,
): Promise<number[]> {
  await sleep(LAST_MS);
  const ran = pairs(await readFile(stamps, 'utf8'), fromNanoseconds);
  return knocks.map(({ source }) => {
    const [sentMs, ranMs] = [sent.get(source), ran.get(source)];
    return sentMs === undefined || ranMs === undefined ? LOST_MS : ranMs - sentMs;
  });
}

function fromNanoseconds(value: string): number {
  return Number(BigInt(value) / 1000n) / 1000;
}

function pairs(text: string, read: (value: string) => number): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [name = '', value = ''] = line.split(' ');
      return [name, read(value)];
    }),
  );
}
