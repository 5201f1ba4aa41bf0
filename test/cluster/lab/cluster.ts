/**
 * A cluster for tests: namespaces as hosts, a real shared Redis, a real postern on each bastion, real
 * knocks. `useClusters` is for mocha; `createCluster` for whoever disposes of it himself.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newClusterKey } from '../../../src/cluster/keys.js';
import type { JournalKey } from '../../../src/journal/key.js';
import { poll } from '../../support/poll.js';
import { requireRoot } from '../../support/root.js';
import { Bastion, type Directives } from './bastion.js';
import { ClusterClient } from './client.js';
import { addressesOf, ClusterNetwork, REDIS4 } from './network.js';
import { SharedServer } from './redis.js';

/** The cluster's name, and with it the prefix `postern:lab:` in the shared Redis. */
export const CLUSTER = 'lab';

/** TCP services that run on every bastion. */
export const SERVICES = [2221, 2222, 2223, 2224, 2225, 2226, 2227, 2228, 2229] as const;

export interface ClusterOptions {
  /** 3 without it. */
  readonly bastions?: number;
  /** 1 without it. */
  readonly clients?: number;
  /** Further addresses of the first client, in 192.0.2.0/24 (from .31 on) or fd00:db8::/64. */
  readonly sources?: readonly string[];
  /** What a host's knockd.conf holds beside the lines of the cluster; asked at each start. */
  readonly configuration: (host: Bastion) => string;
  /** Further lines of [options] for all hosts, over those that the lab writes. */
  readonly options?: Directives;
  /** `false`: the same hosts, each alone. */
  readonly joined?: boolean;
  /** Further lines of the shared Redis's configuration. */
  readonly redis?: readonly string[];
  /** Done on each bastion before its first postern: rules of its firewall, files. */
  readonly before?: (host: Bastion) => Promise<void>;
  /** `false`: posterns are started by the test. */
  readonly start?: boolean;
}

export class Cluster {
  readonly redis: SharedServer;
  readonly hosts: readonly Bastion[];
  readonly clients: readonly ClusterClient[];

  private constructor(
    readonly network: ClusterNetwork,
    readonly folder: string,
    /** Of all hosts, unless a test writes others. */
    readonly key: JournalKey,
    private readonly options: ClusterOptions,
  ) {
    this.redis = new SharedServer({
      network: network.at('redis'),
      address: REDIS4,
      folder: join(folder, 'redis'),
      directives: options.redis ?? [],
    });
    this.hosts = network.bastions.map(
      (place) =>
        new Bastion({
          place,
          network: network.at(place),
          folder: join(folder, place),
          configuration: options.configuration,
          membership: (host) => (options.joined === false ? {} : this.membership(host)),
          redisPassword: this.redis.password,
        }),
    );
    this.clients = network.clients.map((place) => new ClusterClient(network.at(place)));
  }

  static async make(options: ClusterOptions): Promise<Cluster> {
    const network = await ClusterNetwork.make(options.bastions ?? 3, options.clients ?? 1);
    const folder = await mkdtemp(join(tmpdir(), 'postern-cluster-'));
    const cluster = new Cluster(network, folder, newClusterKey(), options);
    try {
      await cluster.#build();
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
    return cluster;
  }

  /** The lines of a host's [options] that make it a member. */
  membership(host: Bastion): Directives {
    return {
      cluster: CLUSTER,
      host: host.name,
      cluster_key_file: host.keyFile,
      redis: this.redis.url,
      redis_password_file: host.passwordFile,
      // One client stands for many here.
      max_attempts_per_minute: 0,
      ...this.options.options,
    };
  }

  host(name: string): Bastion {
    const host = this.hosts.find((each) => each.name === name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  /** The first client. */
  get client(): ClusterClient {
    const [client] = this.clients;
    if (client === undefined) throw new Error('there is no client');
    return client;
  }

  /** Every host that runs knows of every other: signs of life are read every two seconds. */
  async together(): Promise<void> {
    const names = this.hosts.filter(({ isRunning }) => isRunning).map(({ name }) => name);
    for (const host of this.hosts.filter(({ isRunning }) => isRunning)) {
      const knows = async () => {
        const alive = (await host.cluster()).hosts.filter(({ state }) => state === 'alive');
        return names.every((name) => alive.some((each) => each.host === name));
      };
      await poll(knows, `${host.name} knows of all`, 10_000);
    }
  }

  /** The host does not reach the shared Redis any more; clients reach the host. */
  async partition(host: Bastion): Promise<void> {
    await this.network.cut(host.place);
  }

  async heal(host: Bastion): Promise<void> {
    await this.network.mend(host.place);
  }

  /** What every host wrote, for a test that failed. */
  logs(): string {
    return this.hosts.map(({ name, logs }) => logs.replaceAll(/^(?=.)/gm, `${name}  `)).join('\n');
  }

  /** Ends everything that was started, by its pid, and removes what was made. */
  async dispose(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.dispose()));
    await Promise.all(this.clients.map((client) => client.stop()));
    await this.redis.dispose();
    await this.network.remove();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #build(): Promise<void> {
    const { sources = [], before, joined, start } = this.options;
    for (const source of sources) await this.network.at('c1').addAddress('server', source);
    await Promise.all([
      joined === false ? undefined : this.redis.start(),
      ...this.hosts.map((host) => this.#serve(host)),
      ...this.hosts.map((host) => host.prepare([this.key])),
    ]);
    for (const host of this.hosts) await before?.(host);
    if (start !== false) await Promise.all(this.hosts.map((host) => host.start()));
  }

  /** The TCP services of a bastion: they send back what they are sent. */
  async #serve({ network }: Bastion): Promise<void> {
    const script = `let up = 0; for (const port of [${SERVICES}]) require('net')
      .createServer((s) => s.on('error', () => {}).pipe(s))
      .listen(port, '::', () => ++up === ${SERVICES.length} && console.log('up'))`;
    const services = network.spawn('server', [process.execPath, '-e', script]);
    if (services.stdout) await once(services.stdout, 'data');
  }
}

/** Needs root (`requireRoot`); `dispose` is the caller's. */
export function createCluster(options: ClusterOptions): Promise<Cluster> {
  return Cluster.make(options);
}

/**
 * Call inside a `describe`: gives what makes a test's cluster. It ends with its test, and a test that
 * fails shows what the hosts logged. Skips the suite without root.
 */
export function useClusters(): (options: ClusterOptions) => Promise<Cluster> {
  const made: Cluster[] = [];
  before(function () {
    requireRoot(this);
  });
  afterEach(async function () {
    const clusters = made.splice(0);
    if (this.currentTest?.state === 'failed') {
      for (const cluster of clusters) process.stderr.write(`${cluster.logs()}\n`);
    }
    for (const cluster of clusters) await cluster.dispose();
  });
  return async (options) => {
    const cluster = await createCluster(options);
    made.push(cluster);
    return cluster;
  };
}

/** A client's first address. */
export const CLIENT = addressesOf('c1');
