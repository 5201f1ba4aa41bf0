/**
 * A host of a cluster within this process, wired as the daemon is, but for packets and firewalls:
 * a knock begins where a sequence was completed, and what opens is written down.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { loadConfiguration } from '../../../config/load.js';
import type { Door } from '../../../config/types.js';
import type { MatchDoor } from '../../../machines/doors.js';
import type { Sink, SinkGrant } from '../../../sinks/types.js';
import { Cleanup } from '../../../src/cleanup.js';
import type { SharedCompletion } from '../../../src/cluster/cluster.js';
import { clusterBasis } from '../../../src/cluster/join.js';
import { clusterKeysText } from '../../../src/cluster/keys.js';
import type { ClusterPart, SharedResult } from '../../../src/cluster/part.js';
import { Configurations } from '../../../src/configurations.js';
import { Dispatcher } from '../../../src/dispatcher.js';
import { Doors } from '../../../src/doors.js';
import { createGrants } from '../../../src/jobs/grants.js';
import type { DispatchResult, Grants } from '../../../src/jobs/types.js';
import { type JournalKey, loadKey } from '../../../src/journal/key.js';
import { openRedisJournal, type RedisJournal } from '../../../src/journal/redis-journal.js';
import { noActionLog } from '../../../src/log/action-log.js';
import { type Log, silentLog } from '../../../src/log/types.js';
import { OneTimeDoors } from '../../../src/one-time.js';
import { connect, hangUp } from '../../../src/redis/connect.js';
import { type PrivateRedis, startPrivateRedis } from '../../../src/redis/private-server.js';
import { SharedDoors } from '../../../src/shared-doors.js';
import { prepareStateDir } from '../../../src/state-dir.js';
import { section } from '../../support/conf.js';

/** One start command that ran, and its stop command. */
export interface Execution {
  readonly host: string;
  readonly grant: string;
  readonly door: string;
  readonly source: string;
  /** Monotonic ms. */
  readonly atMs: number;
  closedAtMs?: number;
}

export interface HostSetup {
  readonly name: string;
  readonly cluster: string;
  /** URL of the shared Redis. */
  readonly redis: string;
  /** Further options of its cluster. */
  readonly options?: Readonly<Record<string, string | number>>;
  readonly keys: readonly JournalKey[];
  /** The doors of its knockd.conf. */
  readonly conf: (folder: string) => string;
  /** Files in its folder, by name: one-time sequences. */
  readonly files?: Readonly<Record<string, string>>;
  readonly log?: Log;
}

export type Result = SharedResult | DispatchResult | { readonly kind: 'refused'; reason: unknown };

interface Running {
  readonly cleanup: Cleanup;
  readonly journal: RedisJournal;
  readonly grants: Grants;
  readonly doors: Doors;
  readonly shared: SharedDoors;
  readonly dispatcher: Dispatcher;
}

export class BenchHost {
  readonly executions: Execution[] = [];
  readonly admin: Redis;
  /** Of its private journal and jobs. */
  #key: JournalKey | undefined;
  #running: Running | undefined;
  /** What became of knocks, by door and source. */
  readonly #results = new Map<string, Result>();
  /** Monotonic ms of its last start. */
  startedAtMs = 0;
  /** Its private Redis lost what it had accepted. */
  hasForgotten = false;
  #rejected = 0;

  private constructor(
    private readonly setup: HostSetup,
    readonly folder: string,
    private readonly redis: PrivateRedis,
  ) {
    this.admin = connect({ target: redis, role: 'normal', log: silentLog });
  }

  static async make(setup: HostSetup): Promise<BenchHost> {
    const folder = await mkdtemp(join(tmpdir(), 'postern-hostile-'));
    const state = await prepareStateDir(join(folder, 'state'));
    const redis = await startPrivateRedis({ dir: state.redis, log: silentLog });
    const host = new BenchHost(setup, folder, redis);
    await host.writeKeys(setup.keys);
    const { cluster, name, redis: url } = setup;
    const options = section('options', {
      ...{ cluster, host: name, redis: url, ...setup.options },
      ...{ cluster_key_file: join(folder, 'cluster.key'), clock_tolerance: 2 },
    });
    for (const [file, text] of Object.entries(setup.files ?? {})) await host.write(file, text);
    await host.write('knockd.conf', `${options}${setup.conf(folder)}`);
    return host;
  }

  get name(): string {
    return this.setup.name;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get cluster(): ClusterPart {
    const { cluster } = this.#now.shared;
    if (cluster === undefined) throw new Error(`${this.name} is in no cluster`);
    return cluster;
  }

  /** Messages of the cluster that it dropped, in all its runs. */
  get rejected(): number {
    return this.#rejected + (this.#running?.shared.cluster?.status().rejected ?? 0);
  }

  get grants(): Grants {
    return this.#now.grants;
  }

  get journal(): RedisJournal {
    return this.#now.journal;
  }

  /** The key of its own journal and jobs. */
  get ownKey(): JournalKey {
    if (this.#key === undefined) throw new Error(`${this.name} was never started`);
    return this.#key;
  }

  async writeKeys(keys: readonly JournalKey[]): Promise<void> {
    await this.write('cluster.key', clusterKeysText(keys));
    await this.#running?.shared.cluster?.reloadKeys();
  }

  async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.folder, file), text, { mode: 0o600 });
  }

  /** The lines of a one-time file that are marked as used. */
  async marked(file: string): Promise<number> {
    const lines = (await readFile(join(this.folder, file), 'utf8')).split('\n');
    return lines.filter((line) => line.startsWith('#')).length;
  }

  /** Unused sequences of a one-time door, as `status` tells them. */
  left(door: string): number | undefined {
    return this.#now.doors.status().find((each) => each.door === door)?.sequencesLeft;
  }

  /** What a door listens for now; undefined: for nothing. */
  listening(door: string): MatchDoor | undefined {
    return this.#now.doors.table().doors.find(({ name }) => name === door);
  }

  /** What completing the door's present sequence would give to the cluster. */
  completion(door: string, source: string): SharedCompletion | undefined {
    const match = this.listening(door);
    return match && this.#now.doors.completion(match, source);
  }

  /**
   * A source completes what the door listens for now, or did when `match` was looked up. Undefined:
   * nothing listens for it, or it was refused.
   */
  async knock(
    door: string,
    source: string,
    match = this.listening(door),
  ): Promise<Result | undefined> {
    if (match === undefined) return undefined;
    const [key, stage] = [`${door} ${source}`, match.knocks.length];
    this.#results.delete(key);
    const event = { kind: 'completed', door: match, source, stage } as const;
    await this.#now.dispatcher.complete({ ...event, atMs: performance.now() });
    return this.#results.get(key);
  }

  /** Past the doors and their sequences, straight to the cluster. */
  complete(completion: SharedCompletion): Promise<Result> {
    return this.#now.shared.complete(completion);
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) throw new Error(`${this.name} runs already`);
    const cleanup = new Cleanup(silentLog);
    this.startedAtMs = performance.now();
    try {
      this.#running = await this.#wire(cleanup);
      await this.#running.shared.cluster?.start();
    } catch (error) {
      await cleanup.run();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#rejected = this.rejected;
    this.#running = undefined;
    await running?.cleanup.run();
  }

  /** Ends without a word to journal and cluster, as a kill would. */
  async crash(): Promise<void> {
    await this.#running?.journal.close();
    await this.stop();
  }

  async dispose(): Promise<void> {
    await this.stop();
    hangUp(this.admin);
    await this.redis.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  get #now(): Running {
    if (this.#running === undefined) throw new Error(`${this.name} does not run`);
    return this.#running;
  }

  /** `daemon.ts` without capture and control. */
  async #wire(cleanup: Cleanup): Promise<Running> {
    const { name: host } = this.setup;
    const log = this.#log;
    const { configuration } = await loadConfiguration(join(this.folder, 'knockd.conf'));
    if (configuration === undefined) throw new Error('the configuration has errors');
    const { options } = configuration;
    const state = await prepareStateDir(join(this.folder, 'state'));
    const key = await loadKey(state.path);
    this.#key = key;
    const { journalLength: length } = options;
    const target = this.redis;
    const journal = await openRedisJournal({ target, host, key, length, log });
    cleanup.add('the journal', () => journal.close());
    const configurations = new Configurations(state.configurations, key, log);
    const digest = await configurations.keep(configuration);
    const basis = await clusterBasis({ options, host, key, journal, log });
    if (basis === undefined || !('claims' in basis)) throw new Error('no cluster');
    cleanup.add('the shared Redis', () => basis.shared.close());
    const oneTime = new OneTimeDoors({ claims: basis.claims, log });
    const doors = await Doors.load(configuration, digest, oneTime);
    const sinks = { for: (door: Door) => this.#sinksOf(door) };
    let keepFrom = (): string | undefined => undefined;
    const grants = createGrants({
      ...{ journal, key, host, log, catalog: configurations },
      connect: () => connect({ target, role: 'worker', log }),
      sinksFor: (door) => sinks.for(door),
      keepFrom: () => keepFrom(),
    });
    cleanup.add('the grants', () => grants.stop());
    await grants.recover();
    const actions = noActionLog;
    const shared = new SharedDoors({ basis, host, journal, doors, sinks, grants, actions, log });
    keepFrom = () => shared.keepFrom;
    cleanup.add('the cluster', async () => shared.cluster?.stop());
    const keep = async (completion: SharedCompletion) => {
      const result = await shared.complete(completion);
      this.#results.set(`${completion.door.name} ${completion.source}`, result);
      return result;
    };
    const dispatcher = new Dispatcher({ doors, keep, log, actions, doorsChanged: () => {} });
    cleanup.add('the knocks', () => dispatcher.stop());
    return { cleanup, journal, grants, doors, shared, dispatcher };
  }

  /** Told to the test's log; why a knock was refused is kept. */
  get #log(): Log {
    const { log = silentLog } = this.setup;
    const error = (fields: object, message: string) => {
      log.error(fields, message);
      if (message !== 'the door was not opened') return;
      const { door, source, reason } = { door: '', source: '', reason: '', ...fields };
      this.#results.set(`${door} ${source}`, { kind: 'refused', reason });
    };
    return { ...log, error };
  }

  /** Stands for commands: starts of doors with a start command, stops of those with a stop. */
  #sinksOf({ startCommand, stopCommand }: Door): Sink[] {
    if (startCommand === undefined) return [];
    const open = async ({ id: grant, door, source }: SinkGrant) => {
      this.executions.push({ host: this.name, grant, door, source, atMs: performance.now() });
    };
    const close = async ({ id }: SinkGrant) => {
      const execution = this.executions.findLast(({ grant }) => grant === id);
      if (execution !== undefined) execution.closedAtMs ??= performance.now();
    };
    return [{ name: 'exec', open, ...(stopCommand !== undefined && { close }) }];
  }
}
