/**
 * One differential run: knockd 0.8 and postern listen on the same interface, a timeline is replayed
 * to it with tcpreplay, and tcpdump says when each packet really came.
 */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Packet } from '../../machines/types.js';
import { startPostern } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import type { Network } from '../support/netns.js';
import { Program } from '../support/program.js';
import { configurationText } from './doors.js';
import { type Frame, frameOf, framesOf, pcapOf } from './frames.js';

/** A door that opened for a source, as both programs log it. */
export interface Logged {
  readonly source: string;
  readonly door: string;
}

export interface Recording {
  /** What was sent, with the times at which it came (ms since the epoch, by the kernel). */
  readonly packets: readonly Packet[];
  /** What opened, in the order of the log. */
  readonly knockd: readonly Logged[];
  readonly postern: readonly Logged[];
  /** postern's journal of it; absent without a daemon. */
  readonly completed?: readonly Completed[];
}

/** A Completed event, by the host's wall clock (ms since the epoch). */
export interface Completed extends Logged {
  readonly atMs: number;
}

/** What is listened with: postern, or the front half of it. */
interface Listener {
  /** The journal's Completed events; undefined without a daemon. */
  completed(): Promise<Completed[] | undefined>;
  dispose(): Promise<void>;
}

/** Opens a one-knock door at the very end: when it is logged, all before it was seen. */
const LAST = { source: '198.51.100.255', door: 'single', port: 7009 } as const;
const LAST_AFTER_MS = 200;

/** Replays the timeline to both programs. `folder` takes the files and is the caller's to remove. */
export async function record(
  network: Network,
  folder: string,
  timeline: readonly Packet[],
): Promise<Recording> {
  const sent = [...timeline, lastPacket(timeline)];
  const frames = await framesFor(network, sent);
  const posternLog = join(folder, 'postern.log');
  const knockd = await startKnockd(network, folder);
  let tcpdump: Program | undefined;
  let postern: Listener | undefined;
  try {
    tcpdump = await startTcpdump(network, folder);
    postern = await startListener(network, posternLog);
    await replay(network, folder, frames);
    const seenLast = (log: string) => opened(log).some((one) => one.source === LAST.source);
    await eventually('knockd saw the last packet', () => seenLast(knockd.logs), {
      withinMs: 10_000,
    });
    await eventually('postern saw the last packet', () => seenLast(textOf(posternLog)), {
      withinMs: 30_000,
    });
    const capture = join(folder, 'server.pcap');
    const last = frames.at(-1)?.bytes ?? Buffer.alloc(0);
    await eventually('tcpdump saw the last packet', () => readFileSync(capture).includes(last));
    await tcpdump.end('SIGINT');
    const completed = await postern.completed();
    const captured = framesOf(readFileSync(capture));
    return {
      packets: withTimes(sent, frames, captured),
      knockd: opened(knockd.logs),
      postern: opened(textOf(posternLog)),
      ...(completed && { completed }),
    };
  } finally {
    await postern?.dispose();
    await tcpdump?.dispose();
    await knockd.dispose();
  }
}

/** Every `SRC: DOOR: OPEN SESAME` of a log, in order. */
function opened(log: string): Logged[] {
  const lines = log.matchAll(/(\S+): (\S+): OPEN SESAME/g);
  return [...lines].map(([, source = '', door = '']) => ({ source, door }));
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function lastPacket(timeline: readonly Packet[]): Packet {
  return {
    atMs: (timeline.at(-1)?.atMs ?? 0) + LAST_AFTER_MS,
    source: LAST.source,
    destination: '192.0.2.1',
    protocol: 'udp',
    sourcePort: 40_000,
    port: LAST.port,
    flags: 0,
    sequence: 0,
    interfaceIndex: 0,
  };
}

async function framesFor(network: Network, packets: readonly Packet[]): Promise<Frame[]> {
  const { client, server } = network.interfaces;
  const address = async (side: 'client' | 'server', name: string) =>
    (await network.must(side, ['cat', `/sys/class/net/${name}/address`])).trim();
  const [from, to] = await Promise.all([address('client', client), address('server', server)]);
  return packets.map((packet) => ({ atMs: packet.atMs, bytes: frameOf(packet, from, to) }));
}

async function startKnockd(network: Network, folder: string): Promise<Program> {
  const conf = join(folder, 'knockd.conf');
  await writeFile(conf, configurationText([]));
  const argv = ['knockd', '-v', '-i', network.interfaces.server, '-c', conf];
  return startListening(network, argv);
}

/** postern itself, or with `DIFF_POSTERN=pipeline` its way from the wire to completions alone. */
async function startListener(network: Network, log: string): Promise<Listener> {
  if (process.env['DIFF_POSTERN'] !== 'pipeline') {
    // knockd has neither of these limits.
    const limits = ['stray_limit = off', 'max_attempts_per_minute = 0'];
    const conf = configurationText([`LogFile = ${log}`, ...limits]);
    const postern = await startPostern(network, { conf });
    return {
      completed: async () => completedOf(await postern.events()),
      dispose: () => postern.dispose(),
    };
  }
  const pipeline = fileURLToPath(new URL('./pipeline.js', import.meta.url));
  const argv = [process.execPath, pipeline, network.interfaces.server, log];
  const program = await startListening(network, argv);
  return { completed: async () => undefined, dispose: () => program.dispose() };
}

function completedOf(events: readonly object[]): Completed[] {
  return events.flatMap((event) => {
    if (!('type' in event && 'door' in event && 'source' in event && 'atMs' in event)) return [];
    const { type, door, source, atMs } = event;
    const fits = typeof door === 'string' && typeof source === 'string' && typeof atMs === 'number';
    return type === 'Completed' && fits ? [{ door, source, atMs }] : [];
  });
}

/** Starts a program on the server that says when it listens. */
async function startListening(network: Network, argv: readonly string[]): Promise<Program> {
  const program = new Program(network.spawn('server', argv));
  try {
    await program.waitFor(/listening/);
  } catch (error) {
    await program.dispose();
    throw error;
  }
  return program;
}

async function startTcpdump(network: Network, folder: string): Promise<Program> {
  const file = join(folder, 'server.pcap');
  const argv = ['tcpdump', '-n', '-i', network.interfaces.server, '-Q', 'in', '-s', '256'];
  // It would give its rights up before it opens the file.
  argv.push('-Z', 'root', '-B', '16384', '--immediate-mode', '-U', '-w', file);
  return startListening(network, argv);
}

async function replay(network: Network, folder: string, frames: readonly Frame[]): Promise<void> {
  const file = join(folder, 'client.pcap');
  await writeFile(file, pcapOf(frames));
  // Its default timer spins on a core that the programs under test need.
  const argv = ['tcpreplay', '-q', '--preload-pcap', '--timer=nano'];
  argv.push('-i', network.interfaces.client, file);
  const lengthMs = frames.at(-1)?.atMs ?? 0;
  await network.must('client', argv, { timeoutMs: lengthMs * 2 + 20_000 });
}

/** Finds each frame that was sent among those that came, in order; throws when one is missing. */
function withTimes(
  packets: readonly Packet[],
  sent: readonly Frame[],
  captured: readonly Frame[],
): Packet[] {
  let at = 0;
  return packets.map((packet, index) => {
    const wanted = sent[index]?.bytes;
    // Others on the wire (neighbour discovery) are skipped.
    while (at < captured.length && !captured[at]?.bytes.equals(wanted ?? Buffer.alloc(0))) at += 1;
    const found = captured[at];
    if (found === undefined) throw new Error(`packet ${index} of ${packets.length} did not come`);
    at += 1;
    return { ...packet, atMs: found.atMs };
  });
}
