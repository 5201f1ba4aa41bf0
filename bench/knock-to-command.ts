/**
 * Knock to start command: postern and knockd 0.8 in turn on one wire, beside the floor (the same
 * command spawned by node at once). Needs root. COUNT knocks each (100).
 *
 *   node dist/bench/knock-to-command.js
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { frameOf } from '../test/differential/frames.js';
import { startPostern } from '../test/support/daemon.js';
import { CLIENT4, createNetwork, type Network, SERVER4 } from '../test/support/netns.js';
import { Program } from '../test/support/program.js';
import { stampsIn, wallMs } from './raw-sender.js';

const COUNT = Number(process.env['COUNT'] ?? 100);
const PORTS = [18273, 9146, 31544];
const SENDER = fileURLToPath(new URL('./raw-sender.js', import.meta.url));

interface Row {
  readonly name: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

function rowOf(name: string, valuesMs: readonly number[]): Row {
  const sorted = valuesMs.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { name, p50Ms: at(0.5), p95Ms: at(0.95) };
}

const commandTo = (stamps: string) => `date +%s%N >> ${stamps}`;

function configuration(stamps: string): string {
  return `[bench]\nsequence = ${PORTS.join(',')}\nseq_timeout = 5\ntcpflags = syn\ncommand = ${commandTo(stamps)}\n`;
}

async function framesFor(network: Network): Promise<string[]> {
  const address = async (side: 'client' | 'server') =>
    (
      await network.must(side, ['cat', `/sys/class/net/${network.interfaces[side]}/address`])
    ).trim();
  const [from, to] = [await address('client'), await address('server')];
  return PORTS.map((port, i) => {
    const packet = {
      ...{ atMs: 0, source: CLIENT4, destination: SERVER4, protocol: 'tcp' as const, port },
      ...{ sourcePort: 40_000 + i, flags: 2, sequence: 1000 + i, interfaceIndex: 0 },
    };
    return frameOf(packet, from, to).toString('hex');
  });
}

async function measure(network: Network, stamps: string): Promise<number[]> {
  const input = {
    device: network.interfaces.client,
    frames: await framesFor(network),
    stamps,
    count: COUNT,
  };
  const out = await network.must('client', [process.execPath, SENDER, JSON.stringify(input)], {
    timeoutMs: 60_000 + COUNT * 1000,
  });
  return out.split('\n').filter(Boolean).map(Number);
}

async function measurePostern(network: Network, folder: string): Promise<number[]> {
  const stamps = join(folder, 'postern.stamps');
  await writeFile(stamps, '');
  const postern = await startPostern(network, {
    // One client stands for many here.
    conf: `[options]\nmax_attempts_per_minute = 0\n${configuration(stamps)}`,
    folder: join(folder, 'postern'),
  });
  try {
    return await measure(network, stamps);
  } finally {
    await postern.dispose();
  }
}

async function measureKnockd(network: Network, folder: string): Promise<number[]> {
  const stamps = join(folder, 'knockd.stamps');
  const file = join(folder, 'knockd.conf');
  await writeFile(stamps, '');
  await writeFile(file, configuration(stamps));
  const knockd = new Program(
    network.spawn('server', ['knockd', '-v', '-i', network.interfaces.server, '-c', file]),
  );
  try {
    await knockd.waitFor(/listening/);
    return await measure(network, stamps);
  } finally {
    await knockd.dispose();
  }
}

async function measureFloor(folder: string): Promise<number[]> {
  const stamps = join(folder, 'floor.stamps');
  await writeFile(stamps, '');
  const values: number[] = [];
  for (let n = 0; n < COUNT; n++) {
    const startedMs = wallMs();
    const child = spawn('/bin/sh', ['-c', commandTo(stamps)], { stdio: 'ignore' });
    await new Promise((done) => child.once('exit', done));
    values.push((stampsIn(stamps).at(-1) ?? Number.NaN) - startedMs);
    await sleep(20);
  }
  return values;
}

const folder = await mkdtemp(join(tmpdir(), 'postern-bench-'));
const network = await createNetwork();
try {
  const floor = rowOf('floor', await measureFloor(folder));
  const postern = rowOf('postern', await measurePostern(network, folder));
  const knockd = rowOf('knockd 0.8', await measureKnockd(network, folder));
  const text = (ms: number) => `${ms.toFixed(1)} ms`.padStart(9);
  process.stdout.write(
    `knock to start command, ${COUNT} each, ${cpus().length} cores, node ${process.version}\n`,
  );
  for (const { name, p50Ms, p95Ms } of [floor, postern, knockd]) {
    process.stdout.write(`  ${name.padEnd(11)} p50 ${text(p50Ms)}   p95 ${text(p95Ms)}\n`);
  }
  const ratio = (postern.p50Ms / knockd.p50Ms).toFixed(2);
  process.stdout.write(`  postern's median is ${ratio} of knockd's\n`);
} finally {
  await network.dispose();
  await rm(folder, { recursive: true, force: true });
}
