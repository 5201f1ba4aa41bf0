/** Hosts of one cluster on a primary with two replicas and three Sentinels, all under knocks. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sealMessage } from '../../../src/cluster/envelope.js';
import { newClusterKey } from '../../../src/cluster/keys.js';
import { openSharedRedis } from '../../../src/cluster/shared-redis.js';
import type { ClusterKeys, Order, SharedRedis } from '../../../src/cluster/types.js';
import { silentLog } from '../../../src/log/types.js';
import { type Random, randomFrom } from '../../capture/random.js';
import { MASTER, SentinelSetup, type Server } from '../../redis/sentinels.js';
import { Scratch } from '../../redis/support.js';
import { poll } from '../../support/poll.js';
import { BenchHost } from '../hostile/host.js';
import { whole } from './blows.js';
import { doorsConf, fileOf, ONE_TIME, sequences } from './doors.js';
import { difference, ownEvents, reportsIn } from './forwarded.js';
import { Knocks, Said } from './knocks.js';
import { type Verdict, verdictOn } from './verdict.js';

const CLUSTER = 'edge';
const HOSTS = ['b1', 'b2', 'b3'] as const;
/** New one-time sequences for each failover. */
const LINES = 60;
const SETTLED_WITHIN_MS = 10_000;

export interface BenchSetup {
  readonly redisWait: number;
  readonly seed: number;
  /** The last host asks the last Sentinel alone. */
  readonly blind?: true;
}

export class FailoverBench {
  readonly random: Random;
  readonly said: ReadonlyMap<string, Said>;
  readonly setup: SentinelSetup;
  readonly hosts: readonly BenchHost[];
  readonly knocks: Knocks;
  #lines = LINES;

  private constructor(
    private readonly scratch: Scratch,
    private readonly keys: ClusterKeys,
    private readonly options: BenchSetup,
    parts: { setup: SentinelSetup; hosts: readonly BenchHost[]; said: Map<string, Said> },
  ) {
    this.random = randomFrom(options.seed);
    this.setup = parts.setup;
    this.hosts = parts.hosts;
    this.said = parts.said;
    this.knocks = new Knocks(this.hosts, this.said, this.random);
  }

  /** Every host is in the cluster. */
  static async start(options: BenchSetup): Promise<FailoverBench> {
    const scratch = new Scratch();
    const said = new Map(HOSTS.map((name): [string, Said] => [name, new Said()]));
    try {
      const setup = await SentinelSetup.start(scratch, { replicas: 2 });
      const key = newClusterKey();
      const files = Object.fromEntries(
        ONE_TIME.map((door): [string, string] => [fileOf(door), sequences(door, 0, LINES)]),
      );
      const hosts: BenchHost[] = [];
      for (const name of HOSTS) {
        const isBlind = options.blind === true && name === HOSTS.at(-1);
        const sentinels = isBlind ? (setup.hosts.split(',').at(-1) ?? '') : setup.hosts;
        const host = await BenchHost.make({
          ...{ name, cluster: CLUSTER, keys: [key], conf: doorsConf, files },
          redis: `redis+sentinel://${sentinels}/${MASTER}`,
          options: { redis_wait: options.redisWait },
          log: said.get(name)?.log ?? new Said().log,
        });
        scratch.owns(() => host.dispose());
        hosts.push(host);
      }
      const keys = { signing: key, all: [key] };
      const bench = new FailoverBench(scratch, keys, options, { setup, hosts, said });
      await whole(setup);
      await Promise.all(hosts.map((host) => host.start()));
      await bench.joined();
      return bench;
    } catch (error) {
      await scratch.clear();
      throw error;
    }
  }

  /** The Sentinel that the last host asks alone. */
  get blind(): Server | undefined {
    return this.setup.sentinels.at(-1);
  }

  /** The shared Redis as another host of the cluster sees it. */
  shared(host: string): SharedRedis {
    const shared = openSharedRedis({
      target: { url: `redis+sentinel://${this.setup.hosts}/${MASTER}` },
      ...{ cluster: `${CLUSTER}-2`, host, journalLength: 1000, log: silentLog },
      redisWait: this.options.redisWait,
    });
    this.scratch.owns(() => shared.close());
    return shared;
  }

  /** As the first host does when a door that one host acts on was knocked there. */
  async queue(source: string): Promise<void> {
    const atMs = Date.now();
    const grant = `b1-${atMs}-1`;
    const order: Order = {
      ...{ type: 'Completed', door: 'once', runOn: 'once', claims: [], grant, source },
    };
    const message = { kind: 'order', host: 'b1', id: `${atMs}-1`, atMs, order } as const;
    const fields = sealMessage(this.keys, CLUSTER, message);
    const primary = this.setup.server(await this.setup.primaryPort());
    await this.setup.ask(primary, (redis) => redis.xadd(`postern:${CLUSTER}:once`, '*', ...fields));
  }

  async joined(): Promise<void> {
    const isIn = (host: BenchHost) => host.cluster.status().state === 'joined';
    await poll(() => this.hosts.every(isIn), 'all hosts are in the cluster', 20_000);
  }

  /** Milliseconds from that time until a knock at the host opened a door on all hosts again. */
  async recovered(host: BenchHost, sinceMs: number): Promise<number> {
    const until = performance.now() + 60_000;
    while (performance.now() < until) {
      await poll(() => host.cluster.status().state === 'joined', `${host.name} is back`, 60_000);
      const knock = await this.knocks.knock(host, 'all');
      if (knock?.answer === 'opening') return performance.now() - sinceMs;
    }
    throw new Error(`${host.name}: no shared door opened again within a minute`);
  }

  /** Waits until every knock had its effect, or can have none any more; gives what is amiss. */
  async settled(): Promise<Verdict> {
    await this.joined();
    const isDone = () => {
      const { unheard, faults } = this.#verdict();
      return unheard.length === 0 && faults.length === 0;
    };
    await poll(isDone, 'every knock has its effect', SETTLED_WITHIN_MS).catch(() => undefined);
    const told = await this.#told();
    const verdict = this.#verdict();
    const rejected = this.hosts.reduce((sum, { cluster }) => sum + cluster.status().rejected, 0);
    if (rejected > 0) verdict.faults.push(`${rejected} genuine messages were dropped, and alarmed`);
    verdict.faults.push(...told);
    return verdict;
  }

  /** The next failover begins with new sequences; what was knocked before is forgotten. */
  async next(): Promise<void> {
    this.knocks.forget();
    for (const host of this.hosts) {
      host.executions.splice(0);
      for (const door of ONE_TIME) {
        const before = await readFile(join(host.folder, fileOf(door)), 'utf8');
        const unused = before.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
        const text = `${unused.join('\n')}\n${sequences(door, this.#lines, LINES)}`;
        await host.write(fileOf(door), text.trimStart());
      }
    }
    this.#lines += LINES;
  }

  async stop(): Promise<void> {
    await this.knocks.pause();
    await this.scratch.clear();
  }

  #verdict(): Verdict {
    const executions = this.hosts.flatMap((host) => host.executions);
    return verdictOn(this.knocks.all, executions, [...HOSTS]);
  }

  /** Whether the cluster journal has each host's own events, in order, each once. */
  async #told(): Promise<string[]> {
    let amiss: string[] = [];
    const isSame = async () => {
      const reports = await reportsIn(this.setup, CLUSTER, this.keys);
      amiss = [];
      for (const host of this.hosts) {
        const found = difference(await ownEvents(host), reports.get(host.name) ?? []);
        if (found !== undefined) amiss.push(`events of ${host.name}: ${found}`);
      }
      return amiss.length === 0;
    };
    await poll(isSame, 'all events are told', SETTLED_WITHIN_MS).catch(() => undefined);
    return amiss;
  }
}
