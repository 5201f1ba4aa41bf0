/** A host for tests: private Redis, journal, exec sink and grants, all real, in a folder of its own. */
import { createSecretKey, randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { Door } from '../../config/types.js';
import { createExec, type Exec } from '../../sinks/exec.js';
import type { Sink } from '../../sinks/types.js';
import { type Clock, systemClock } from '../../src/clock.js';
import { createGrants, type GrantsOptions } from '../../src/jobs/grants.js';
import { familyOf } from '../../src/jobs/keys.js';
import type { AcceptedOrder, Completion, DispatchResult, Grants } from '../../src/jobs/types.js';
import type { EventOf, EventType, JournalEvent } from '../../src/journal/events.js';
import { openRedisJournal, type RedisJournal } from '../../src/journal/redis-journal.js';
import { silentLog } from '../../src/log/types.js';
import { connect } from '../../src/redis/connect.js';
import { type PrivateRedis, startPrivateRedis } from '../../src/redis/private-server.js';
import { testDoor } from '../support/door.js';
import { poll } from '../support/poll.js';
import { recordingLog } from '../support/recording-log.js';

export const HOST = 'test:host';
export const SOURCE = '192.0.2.1';

export interface Running {
  readonly grants: Grants;
  readonly journal: RedisJournal;
  readonly exec: Exec;
  stop(): Promise<void>;
  /** Ends without a word to the journal, as a kill would. */
  crash(): Promise<void>;
}

export interface RunOptions
  extends Partial<Pick<GrantsOptions, 'host' | 'layers' | 'clock' | 'keepFrom' | 'sinksFor'>> {
  readonly journalLength?: number;
}

export class TestHost {
  readonly dir = mkdtempSync(join(tmpdir(), 'postern-jobs-'));
  readonly key = createSecretKey(randomBytes(32));
  readonly log = recordingLog();
  /** Doors that `catalog.find` knows. */
  doors: Door[] = [];
  /** What the kernel-timed sink of doors with `allow` was asked for: `open SOURCE`, … */
  readonly kernel: string[] = [];
  readonly #redis: PrivateRedis;
  readonly #admin: Redis;
  readonly #running = new Set<Running>();

  private constructor(redis: PrivateRedis, dir: string) {
    this.#redis = redis;
    this.#admin = connect({ target: redis, role: 'normal', log: silentLog });
    this.redisDir = dir;
  }

  readonly redisDir: string;

  static async start(): Promise<TestHost> {
    const dir = mkdtempSync(join(tmpdir(), 'postern-redis-'));
    return new TestHost(await startPrivateRedis({ dir: join(dir, 'redis'), log: silentLog }), dir);
  }

  get redis(): Redis {
    return this.#admin;
  }

  /** A new connection, as queues have them. */
  connect(): Redis {
    return connect({ target: this.#redis, role: 'worker', log: this.log });
  }

  /** Loses all jobs, and nothing else. */
  async dropJobs(): Promise<void> {
    const keys = await this.#admin.keys('postern:*:*');
    const jobs = keys.filter((key) => /^postern:(open|close):/.test(key));
    if (jobs.length > 0) await this.#admin.del(...jobs);
  }

  get redisPid(): number {
    const { pid } = this.#redis;
    if (pid === undefined) throw new Error('no redis-server');
    return pid;
  }

  /** Kills redis-server; resolves once it was started again. */
  async killRedis(): Promise<void> {
    const killed = this.redisPid;
    process.kill(killed, 'SIGKILL');
    const another = () => this.#redis.pid !== undefined && this.#redis.pid !== killed;
    await poll(another, 'redis-server runs again');
  }

  /** Forgets everything of earlier tests. */
  async reset(): Promise<void> {
    for (const running of this.#running) await running.stop();
    await this.#admin.flushall();
    this.log.entries.length = 0;
    this.doors = [];
    this.kernel.length = 0;
  }

  async end(): Promise<void> {
    for (const running of this.#running) await running.stop();
    this.#admin.disconnect();
    await this.#redis.stop();
    rmSync(this.dir, { recursive: true, force: true });
    rmSync(this.redisDir, { recursive: true, force: true });
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  /** The lines of a file, none when it is missing. */
  lines(name: string): string[] {
    try {
      return readFileSync(this.file(name), 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  }

  /** A door that writes `start` and `stop` lines to a file; what is given goes over it. */
  door(overrides: Partial<Door> = {}): Door {
    const name = overrides.name ?? `door${this.doors.length}`;
    const door = testDoor({
      name,
      startCommand: `echo start %IP% >> ${this.file(name)}`,
      stopCommand: `echo stop %IP% >> ${this.file(name)}`,
      cmdTimeoutMs: 1000,
      ...overrides,
    });
    this.doors.push(door);
    return door;
  }

  /** A door that only the kernel-timed sink acts on. */
  allowing(overrides: Partial<Door> = {}): Door {
    const name = `door${this.doors.length}`;
    const allow = [{ protocol: 'tcp', from: 22, to: 22 }] as const;
    const door = testDoor({ name, allow, cmdTimeoutMs: 1000, ...overrides });
    this.doors.push(door);
    return door;
  }

  /** The journal alone; close it. */
  openJournal(clock: Clock = systemClock, length = 10_000): Promise<RedisJournal> {
    const { key, log } = this;
    return openRedisJournal({ target: this.#redis, host: HOST, key, length, log, clock });
  }

  /** Writes events as an earlier run would have, so many milliseconds ago. */
  async past(agoMs: number, write: (journal: RedisJournal) => Promise<void>): Promise<void> {
    const journal = await this.openJournal({ ...systemClock, wall: () => Date.now() - agoMs });
    await write(journal);
    await journal.close();
  }

  /** Stands for nftables. */
  #kernelSink({ allow }: Door): Sink | undefined {
    if (allow.length === 0) return undefined;
    const asked = (what: string) => async (grant: { source: string }) => {
      this.kernel.push(`${what} ${grant.source}`);
    };
    const calls = { open: asked('open'), extend: asked('extend'), close: asked('close') };
    return { name: 'nftables', kernelTimed: true, ...calls };
  }

  async run({ journalLength, ...options }: RunOptions = {}): Promise<Running> {
    const { key, log } = this;
    const journal = await this.openJournal(systemClock, journalLength);
    const exec = createExec({ maxCommands: 64, log });
    const grants = createGrants({
      journal,
      connect: () => this.connect(),
      key,
      host: HOST,
      catalog: { find: async (name) => this.doors.find((door) => door.name === name) },
      sinksFor: (door, source) => {
        const sinks = [this.#kernelSink(door), exec.sink(door, familyOf(source))];
        return sinks.filter((sink) => sink !== undefined);
      },
      restoreSinks: async (live) => {
        for (const { source } of live) this.kernel.push(`restore ${source}`);
      },
      log,
      ...options,
      closeBackoffMs: () => 100,
    });
    const end = async () => {
      this.#running.delete(running);
      exec.release();
      await journal.close();
    };
    const running: Running = {
      grants,
      journal,
      exec,
      stop: async () => {
        await grants.stop();
        await end();
      },
      crash: async () => {
        await journal.close();
        await grants.stop();
        await end();
      },
    };
    this.#running.add(running);
    await grants.recover();
    return running;
  }

  completion(door: Door, overrides: Partial<Completion> = {}): Completion {
    return { door, configuration: 'c1', source: SOURCE, ...overrides };
  }

  /** A completion on another host, just now, of a door that runs everywhere. */
  order(door: Door, overrides: Partial<AcceptedOrder> = {}): AcceptedOrder {
    const knockedAtMs = overrides.knockedAtMs ?? Date.now();
    return {
      ...{ grant: `other-${knockedAtMs}-${randomInt(2 ** 32)}`, from: 'other', knockedAtMs },
      ...{ door, configuration: 'c1', source: SOURCE },
      openForMs: door.cmdTimeoutMs,
      guardUntilMs: knockedAtMs + door.cmdTimeoutMs + 60_000,
      ...overrides,
    };
  }

  /** Jobs are taken into the queues, and never handed out. */
  async pauseJobs(): Promise<void> {
    for (const kind of ['open', 'close'])
      await this.#admin.hset(`postern:${kind}:meta`, 'paused', 1);
  }

  /** Does it while Redis answers nobody. */
  async frozen<T>(act: () => Promise<T>): Promise<T> {
    const pid = this.redisPid;
    process.kill(pid, 'SIGSTOP');
    try {
      return await act();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  async events(running: Running): Promise<JournalEvent[]> {
    const events: JournalEvent[] = [];
    for await (const event of running.journal.read()) events.push(event);
    return events;
  }

  /** The events of one type, once there are so many. */
  async eventsOf<T extends EventType>(
    running: Running,
    type: T,
    count = 1,
    timeoutMs = 5000,
  ): Promise<(JournalEvent & EventOf<T>)[]> {
    return poll(
      async () => {
        const found = (await this.events(running)).filter(
          (event): event is JournalEvent & EventOf<T> => event.type === type,
        );
        return found.length >= count && found;
      },
      `${count} ${type}`,
      timeoutMs,
    );
  }

  async linesOf(name: string, count: number, timeoutMs = 5000): Promise<string[]> {
    return poll(
      () => {
        const lines = this.lines(name);
        return lines.length >= count && lines;
      },
      `${count} lines of ${name}`,
      timeoutMs,
    );
  }
}

/** The grant of a result that began or extended one. */
export function grantOf(result: DispatchResult): string {
  if (!('grant' in result)) throw new Error(`no grant: ${JSON.stringify(result)}`);
  return result.grant;
}
