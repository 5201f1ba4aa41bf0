/**
 * A cluster within this process on a shared Redis that is not to be trusted: honest knocks, and a
 * verdict about everything that was executed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunOn } from '../../../config/types.js';
import type { MatchDoor } from '../../../machines/doors.js';
import { newClusterKey } from '../../../src/cluster/keys.js';
import type { JournalKey } from '../../../src/journal/key.js';
import { type Log, silentLog } from '../../../src/log/types.js';
import { type PrivateRedis, startPrivateRedis } from '../../../src/redis/private-server.js';
import { poll } from '../../support/poll.js';
import { Attacker } from './attacker.js';
import { BenchHost, type Execution, type Result } from './host.js';

export const CLUSTER = 'edge';
const KEPT_LINES = 2000;

/** A door of the bench: the same on all hosts. */
export interface BenchDoor {
  readonly runOn: RunOn;
  readonly isOneTime?: true;
  /** Text of its section. */
  readonly conf: (folder: string) => string;
}

export interface BenchOptions {
  readonly hosts?: number;
  readonly doors: Readonly<Record<string, BenchDoor>>;
  readonly files?: Readonly<Record<string, string>>;
  /** What one host's configuration has besides. */
  readonly also?: (host: string) => string;
}

export interface HonestKnock {
  readonly host: string;
  readonly door: string;
  /** Of this knock alone. */
  readonly source: string;
  /** Monotonic ms. */
  readonly atMs: number;
  /** Undefined: it was refused. */
  result?: Result | undefined;
}

export class Bench {
  readonly knocks: HonestKnock[] = [];
  readonly attacker: Attacker;
  /** The first signs. */
  keys: readonly JournalKey[];
  /** One-time sequences that somebody knocked. */
  readonly #used = new Set<string>();
  #sources = 0;

  private constructor(
    readonly options: BenchOptions,
    readonly hosts: readonly BenchHost[],
    readonly server: PrivateRedis,
    private readonly folder: string,
    key: JournalKey,
    private readonly lines: readonly string[],
  ) {
    this.keys = [key];
    this.attacker = new Attacker(server.socket, CLUSTER);
  }

  /** All hosts run, and are in the cluster. */
  static async make(options: BenchOptions): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), 'postern-shared-'));
    const server = await startPrivateRedis({ dir: join(folder, 'redis'), log: silentLog });
    const key = newClusterKey();
    const { doors, files = {}, also = () => '' } = options;
    const lines: string[] = [];
    const numbers = Array.from({ length: options.hosts ?? 3 }, (_, index) => index + 1);
    const hosts = await Promise.all(
      numbers.map((number) =>
        BenchHost.make({
          ...{
            name: `b${number}`,
            cluster: CLUSTER,
            redis: `unix:${server.socket}`,
            keys: [key],
            log: logTo(lines, `b${number}`),
            files,
          },
          conf: (own) =>
            Object.values(doors)
              .map(({ conf }) => conf(own))
              .join('\n') + also(`b${number}`),
        }),
      ),
    );
    const bench = new Bench(options, hosts, server, folder, key, lines);
    await Promise.all(hosts.map((host) => host.start()));
    await bench.joined();
    return bench;
  }

  get running(): readonly BenchHost[] {
    return this.hosts.filter(({ isRunning }) => isRunning);
  }

  async joined(withinMs = 15_000): Promise<void> {
    for (const { cluster, name } of this.running) {
      const isJoined = () => cluster.status().state === 'joined';
      await poll(isJoined, `${name} is in the cluster`, withinMs).catch((error: unknown) => {
        const { state, reason } = cluster.status();
        throw new Error(`${String(error)}: it is ${state}, ${reason}`);
      });
    }
  }

  /** Each host knows that the others live: what stood there of them was written after any loss. */
  async together(): Promise<void> {
    await this.joined();
    for (const { cluster, name } of this.running) {
      const alive = () => cluster.status().hosts.filter(({ state }) => state === 'alive').length;
      await poll(() => alive() >= this.running.length, `${name} sees the others`, 10_000);
    }
  }

  /** An address that nobody used. */
  newSource(): string {
    this.#sources += 1;
    const n = this.#sources;
    if (n % 5 === 0) return `2001:db8::${n.toString(16)}`;
    return `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  }

  /**
   * Somebody who may knocks at a host, with a sequence that nobody used; resolves when it was
   * decided about.
   */
  async knock(host: BenchHost, door: string): Promise<HonestKnock> {
    const match = await this.#unused(host, door);
    const key = sequenceKey(match);
    if (this.options.doors[door]?.isOneTime === true) this.#used.add(key);
    const knock = this.expect(host.name, door, this.newSource());
    knock.result = await host.knock(door, knock.source, match);
    if (knock.result?.kind === 'refused') this.#used.delete(key);
    return knock;
  }

  /** A host that has just heard of a used sequence listens for the next a moment later. */
  async #unused(host: BenchHost, door: string): Promise<MatchDoor> {
    const isNew = (match: MatchDoor | undefined) =>
      match !== undefined && !this.#used.has(sequenceKey(match)) && match;
    return poll(() => isNew(host.listening(door)), `${host.name} moves on at ${door}`);
  }

  /** From now on, that door may be opened for that source. */
  expect(host: string, door: string, source: string): HonestKnock {
    const knock: HonestKnock = { host, door, source, atMs: performance.now() };
    this.knocks.push(knock);
    return knock;
  }

  /** Every start command that ran, on whichever host. */
  get executions(): Execution[] {
    return this.hosts.flatMap(({ executions }) => executions);
  }

  /** The hosts on which a knock had its effect. */
  ranOn({ door, source }: HonestKnock): string[] {
    return this.executions
      .filter((each) => each.door === door && each.source === source)
      .map(({ host }) => host);
  }

  /** Resolves when a knock has had all of its effect. */
  async effective(knock: HonestKnock, withinMs = 10_000): Promise<void> {
    const { door, host, source, result } = knock;
    const runOn = this.options.doors[door]?.runOn;
    const wanted = runOn === 'everywhere' ? this.running.length : 1;
    const ran = () => `${JSON.stringify(result)}, ran on ${this.ranOn(knock)}`;
    const what = `${door} of ${source}, knocked at ${host}`;
    const isDone = () => this.ranOn(knock).length >= wanted;
    await poll(isDone, what, withinMs).catch((error: unknown) => {
      throw new Error(`${String(error)} (${ran()})`);
    });
  }

  /** What was executed and should not have been. */
  faults(): string[] {
    const honest = new Map(this.knocks.map((knock) => [`${knock.door} ${knock.source}`, knock]));
    const seen = new Set<string>();
    return this.executions.flatMap(({ host, door, source, grant }) => {
      const what = `${door} for ${source} on ${host} (${grant})`;
      const knock = honest.get(`${door} ${source}`);
      if (knock === undefined) return [`nobody knocked: ${what}`];
      if (seen.has(`${host} ${door} ${source}`)) return [`twice: ${what}`];
      seen.add(`${host} ${door} ${source}`);
      const isElsewhere = this.options.doors[door]?.runOn === 'here' && host !== knock.host;
      return isElsewhere ? [`not knocked there: ${what}`] : [];
    });
  }

  /** Knocks at doors that one host acts on that had their effect on more than one. */
  doubles(): HonestKnock[] {
    const once = this.knocks.filter(({ door }) => this.options.doors[door]?.runOn === 'once');
    return once.filter((knock) => this.ranOn(knock).length > 1);
  }

  /** What the hosts said last, for a test that failed. */
  logs(): string {
    return `${this.lines.join('\n')}\n`;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.dispose()));
    this.attacker.dispose();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function sequenceKey({ name, knocks }: MatchDoor): string {
  return JSON.stringify([name, knocks]);
}

/** Keeps the last lines. */
function logTo(lines: string[], host: string): Log {
  const at = (level: keyof Log) => (fields: object, message: string) => {
    const ms = Math.round(performance.now());
    lines.push(`${ms} ${host} ${level} ${message} ${JSON.stringify(fields)}`);
    if (lines.length > KEPT_LINES) lines.splice(0, KEPT_LINES / 10);
  };
  return { debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') };
}
