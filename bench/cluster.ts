/**
 * What a cluster sustains with one, two and three hosts on one shared Redis, and what a completion
 * costs that Redis. Hosts are processes with the real cluster, journal, queue and grants; what opens
 * does nothing. Needs redis-server, not root. Each figure is the best of ROUNDS (4) of MS milliseconds (600).
 *
 *   node dist/bench/cluster.js
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { createClusterKey } from '../src/cluster/keys.js';
import { freePort } from '../test/redis/ports.js';
import { cloneFolder } from '../test/support/clone.js';
import { eventually } from '../test/support/eventually.js';
import { poll } from '../test/support/poll.js';
import { endProcess } from '../test/support/processes.js';
import type { Answer, Command, HostSetup } from './cluster-host.js';

const FOR_MS = Number(process.env['MS'] ?? 600);
/** The clusters take turns, so that whatever else the machine does meets each of them. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 4);
/** Knocks at a time on each host, each until it was opened. */
const IN_FLIGHT = 16;
/** And of one host that is knocked every 50 ms: how long it takes when there is nothing else. */
const QUIET_MS = 1000;
const MOST_HOSTS = 3;
const HOST = fileURLToPath(new URL('./cluster-host.js', import.meta.url));
const DOORS = ['everywhere', 'one-time', 'once'] as const;
const FSYNC = ['everysec', 'always'] as const;

interface Figure {
  readonly door: (typeof DOORS)[number];
  readonly appendfsync: (typeof FSYNC)[number];
  readonly hosts: number;
  /** At a time on each host; 0: one every 50 ms on the first host alone. */
  readonly inFlight: number;
  readonly completions: number;
  readonly refused: number;
  /** Until the last host had opened the last of them. */
  readonly perSecond: number;
  readonly answeredP50Ms: number;
  readonly answeredP99Ms: number;
  /** From the knock to each opening, on whichever host. */
  readonly openedP50Ms: number;
  readonly openedP99Ms: number;
  /** In the shared Redis, those within scripts included. */
  readonly commandsEach: number;
  readonly bytesInEach: number;
  readonly bytesOutEach: number;
  /** Of the processor, in all host processes together, for a completion. */
  readonly hostsCpuMsEach: number;
  readonly redisCpuMsEach: number;
}

function confOf(url: string, folder: string, name: string): string {
  return `[options]
cluster = bench
host = ${name}
cluster_key_file = ${join(folder, 'cluster.key')}
redis = ${url}
[everywhere]
sequence = 7001,9001,8001
start_command = true %IP%
run_on = everywhere
[one-time]
one_time_sequences = ${join(folder, 'sequences')}
start_command = true %IP%
[once]
sequence = 7002,9002,8002
start_command = true %IP%
run_on = once
`;
}

class Host {
  readonly #ended: Promise<never>;

  private constructor(private readonly child: ChildProcess) {
    this.#ended = once(child, 'exit').then(() => {
      throw new Error('a host ended');
    });
    // Told to whoever asks it something.
    this.#ended.catch(() => undefined);
  }

  static async start(setup: HostSetup): Promise<Host> {
    const child = fork(HOST, [JSON.stringify(setup)], { stdio: 'inherit' });
    await once(child, 'message');
    return new Host(child);
  }

  async ask<T extends Answer>(command: Command): Promise<T> {
    const answered = once(this.child, 'message');
    this.child.send(command);
    const [answer] = await Promise.race([answered, this.#ended]);
    return answer;
  }

  async knows(count: number): Promise<boolean> {
    const status = await this.ask<{ readonly state: string; readonly hosts: number }>({
      do: 'state',
    });
    return status.state === 'joined' && status.hosts === count;
  }

  count(): Promise<{ readonly openedMs: number[]; readonly cpuMs: number }> {
    return this.ask({ do: 'count' });
  }

  async stop(): Promise<void> {
    this.child.disconnect();
    await endProcess(this.child);
  }
}

interface Usage {
  readonly commands: number;
  readonly in: number;
  readonly out: number;
  readonly hostsCpuMs: number;
  readonly redisCpuMs: number;
}

/** What the shared Redis and the hosts have done until now. */
async function usage({ hosts, redis }: Bench): Promise<Usage> {
  const commands = String(await redis.info('commandstats')).matchAll(/calls=(\d+)/g);
  const text = `${await redis.info('stats')}${await redis.info('cpu')}`;
  const of = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1]);
  let hostsCpuMs = 0;
  for (const host of hosts) hostsCpuMs += (await host.count()).cpuMs;
  return {
    commands: [...commands].reduce((sum, [, calls]) => sum + Number(calls), 0),
    ...{ in: of('total_net_input_bytes'), out: of('total_net_output_bytes') },
    ...{ hostsCpuMs, redisCpuMs: 1000 * (of('used_cpu_user') + of('used_cpu_sys')) },
  };
}

function share(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  return tenths(value ?? Number.NaN);
}

/** One cluster with its shared Redis. */
interface Bench {
  readonly hosts: readonly Host[];
  readonly redis: Redis;
  readonly appendfsync: Figure['appendfsync'];
}

async function measure(bench: Bench, door: Figure['door'], inFlight: number): Promise<Figure> {
  const { hosts, appendfsync } = bench;
  const isQuiet = inFlight === 0;
  const forMs = isQuiet ? QUIET_MS : FOR_MS;
  const before = await usage(bench);
  const beganMs = performance.now();
  const run = { do: 'run', door, forMs, ...(!isQuiet && { inFlight }) } as const;
  const runs = await Promise.all(
    hosts
      .slice(0, isQuiet ? 1 : hosts.length)
      .map((host) => host.ask<{ readonly answeredMs: number[]; readonly refused: number }>(run)),
  );
  const answeredMs = runs.flatMap((each) => each.answeredMs);
  const completions = answeredMs.length;
  const openings = door === 'everywhere' ? completions * hosts.length : completions;
  const openedMs: number[] = [];
  const all = async () => {
    for (const host of hosts) openedMs.push(...(await host.count()).openedMs);
    return openedMs.length >= openings;
  };
  await eventually(`all ${openings} of ${door} are open`, all, { withinMs: 30_000, everyMs: 20 });
  const tookMs = performance.now() - beganMs;
  const after = await usage(bench);
  const each = (of: keyof Usage) => (after[of] - before[of]) / completions;
  return {
    ...{ door, appendfsync, hosts: hosts.length, inFlight, completions },
    refused: runs.reduce((sum, { refused }) => sum + refused, 0),
    perSecond: Math.round((completions / tookMs) * 1000),
    ...{ answeredP50Ms: share(answeredMs, 0.5), answeredP99Ms: share(answeredMs, 0.99) },
    ...{ openedP50Ms: share(openedMs, 0.5), openedP99Ms: share(openedMs, 0.99) },
    ...{ commandsEach: tenths(each('commands')), bytesInEach: Math.round(each('in')) },
    ...{ bytesOutEach: Math.round(each('out')), hostsCpuMsEach: tenths(each('hostsCpuMs')) },
    redisCpuMsEach: Math.round(each('redisCpuMs') * 100) / 100,
  };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/** All hosts are in the cluster and know of each other. `undo` gets what ends it. */
async function cluster(
  count: number,
  appendfsync: Figure['appendfsync'],
  undo: (() => unknown)[],
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const server = spawn('redis-server', ['-'], { cwd: folder, stdio: ['pipe', 'ignore', 'ignore'] });
  undo.push(() => endProcess(server));
  server.stdin.end(
    `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly yes\nappendfsync ${appendfsync}\n`,
  );
  const redis = new Redis({ port, replyMapping: 'legacy' });
  undo.push(() => redis.disconnect());
  redis.on('error', () => undefined);
  await poll(() => redis.ping().then(() => true), 'the shared Redis answers');
  await createClusterKey(join(folder, 'cluster.key'));
  // As many lines as a host looks through at each claim; none of them is knocked.
  const lines = Array.from({ length: 20 }, (_, index) => `${20_000 + index},3,4,5\n`);
  await writeFile(join(folder, 'sequences'), lines.join(''), { mode: 0o600 });
  const hosts: Host[] = [];
  for (let number = 1; number <= count; number++) {
    const own = join(folder, `b${number}`);
    await mkdir(own, { mode: 0o700 });
    const conf = confOf(`redis://127.0.0.1:${port}`, folder, `b${number}`);
    const host = await Host.start({ name: `b${number}`, number, folder: own, conf });
    undo.push(() => host.stop());
    hosts.push(host);
  }
  for (const host of hosts) await poll(() => host.knows(count), 'they know of each other', 15_000);
  return { hosts, redis, appendfsync };
}

/** The best of several rounds, in which clusters of one, two and three hosts take turns. */
async function rounds(appendfsync: Figure['appendfsync']): Promise<Figure[]> {
  const undo: (() => unknown)[] = [];
  const best = new Map<string, Figure>();
  try {
    const clusters: Bench[] = [];
    for (let count = 1; count <= MOST_HOSTS; count++) {
      clusters.push(await cluster(count, appendfsync, undo));
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const door of DOORS) {
        for (const bench of clusters) {
          for (const inFlight of round === ROUNDS - 1 ? [IN_FLIGHT, 0] : [IN_FLIGHT]) {
            const figure = await measure(bench, door, inFlight);
            const name = JSON.stringify([door, bench.hosts.length, inFlight]);
            if (figure.perSecond > (best.get(name)?.perSecond ?? 0)) best.set(name, figure);
          }
        }
      }
    }
  } finally {
    for (const end of undo.reverse()) await end();
  }
  return [...best.values()].sort((a, b) => DOORS.indexOf(a.door) - DOORS.indexOf(b.door));
}

/** Rows of a table, as the page has them. */
function table(figures: readonly Figure[]): string[] {
  const find = (of: Figure, hosts: number, inFlight: number) =>
    figures.find(
      (each) =>
        each.door === of.door &&
        each.appendfsync === of.appendfsync &&
        each.hosts === hosts &&
        each.inFlight === inFlight,
    );
  const loaded = figures.filter(({ inFlight }) => inFlight === IN_FLIGHT);
  const rows = loaded.map((figure) => {
    const { door, appendfsync, hosts, perSecond, answeredP50Ms, answeredP99Ms } = figure;
    const ratio = perSecond / (find(figure, 1, IN_FLIGHT)?.perSecond ?? Number.NaN);
    const quiet = find(figure, hosts, 0);
    const { commandsEach, bytesInEach, bytesOutEach, hostsCpuMsEach, redisCpuMsEach } = figure;
    const cells = [
      ...[door, appendfsync, hosts, perSecond, ratio.toFixed(2)],
      ...[
        `${answeredP50Ms} / ${answeredP99Ms}`,
        `${quiet?.answeredP50Ms} / ${quiet?.answeredP99Ms}`,
      ],
      ...[`${quiet?.openedP50Ms} / ${quiet?.openedP99Ms}`, commandsEach.toFixed(1)],
      ...[`${bytesInEach} / ${bytesOutEach}`, `${hostsCpuMsEach} / ${redisCpuMsEach}`],
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [HEADER, HEADER.replaceAll(/[^|]+/g, '---'), ...rows];
}

const HEADER =
  '| door | appendfsync | hosts | completions/s | ratio | answered, p50 / p99 ms | ' +
  'quiet: answered | quiet: opened | commands | bytes in / out | processor ms, hosts / Redis |';

const figures: Figure[] = [];
for (const appendfsync of FSYNC) figures.push(...(await rounds(appendfsync)));
const [processor] = cpus();
const machine = {
  processor: processor?.model ?? '',
  ...{ cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30) },
  ...{ kernel: release(), node: process.version },
};
process.stdout.write(
  `completions that a cluster sustains, ${IN_FLIGHT} at a time on each host, best of ${ROUNDS} rounds of ${FOR_MS} ms\n` +
    `${JSON.stringify(machine)}\n`,
);
process.stdout.write(`${table(figures).join('\n')}\n`);
const results = join(cloneFolder(), 'bench/results/cluster.json');
await mkdir(dirname(results), { recursive: true });
const content = {
  at: new Date().toISOString(),
  machine,
  inFlight: IN_FLIGHT,
  loadAverages: loadavg().join(' '),
  rounds: ROUNDS,
  forMs: FOR_MS,
  figures,
};
await writeFile(results, `${JSON.stringify(content, undefined, 2)}\n`);
