/** A primary with replicas and the Sentinels that watch it, on free ports of the loopback address. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisTls } from '../../src/redis/connect.js';
import { poll } from '../support/poll.js';
import { endProcess } from '../support/processes.js';
import { freePort } from './ports.js';
import type { Scratch } from './support.js';

export const MASTER = 'the-primary';

export interface SetupOptions {
  /** `requirepass` of the servers, and what Sentinels use with them. */
  readonly password?: string;
  /** `requirepass` of the Sentinels. */
  readonly sentinelPassword?: string;
  /** For servers and Sentinels alike; `client` is what the test itself shows them. */
  readonly tls?: { readonly directives: readonly string[]; readonly client: RedisTls };
  /** Of the primary; one without it. */
  readonly replicas?: number;
  /** `down-after-milliseconds`; 1000 without it. */
  readonly downAfterMs?: number;
}

export interface Server {
  readonly port: number;
  readonly child: ChildProcess;
}

export class SentinelSetup {
  readonly servers: Server[] = [];
  readonly sentinels: Server[] = [];

  private constructor(
    private readonly scratch: Scratch,
    private readonly options: SetupOptions,
  ) {}

  /** Starts a primary, its replicas, and three Sentinels, and waits until these know all. */
  static async start(scratch: Scratch, options: SetupOptions = {}): Promise<SentinelSetup> {
    const setup = new SentinelSetup(scratch, options);
    const primary = await setup.#startServer();
    for (let n = 0; n < (options.replicas ?? 1); n += 1) await setup.#startServer(primary.port);
    for (let index = 0; index < 3; index += 1) await setup.#startSentinel(primary.port);
    await poll(() => setup.#isKnown(), 'Sentinels that know all', 20_000);
    return setup;
  }

  /** `host:port` of each Sentinel, as in a URL. */
  get hosts(): string {
    return this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  server(port: number): Server {
    const server = this.servers.find((each) => each.port === port);
    if (server === undefined) throw new Error(`no server on ${port}`);
    return server;
  }

  /** Asks one Sentinel (or server) as an administrator would. */
  async ask<T>(
    { port }: Server,
    question: (redis: Redis) => Promise<T>,
    password: string | undefined = this.options.sentinelPassword,
  ): Promise<T> {
    const redis = new Redis({
      host: '127.0.0.1',
      port,
      replyMapping: 'legacy',
      ...(password !== undefined && { password }),
      ...(this.options.tls && { tls: { ...this.options.tls.client } }),
    });
    redis.on('error', () => undefined);
    try {
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** The port of the primary, as one of the Sentinels has it. */
  async primaryPort(sentinel = this.#anySentinel()): Promise<number> {
    const ask = (redis: Redis) => redis.call('SENTINEL', 'get-master-addr-by-name', MASTER);
    const answer = await this.ask(sentinel, ask);
    return Number(Array.isArray(answer) ? answer[1] : undefined);
  }

  /** Starts a server that has ended on its port again, empty, as a replica of the present primary. */
  async restart(port: number): Promise<void> {
    const index = this.servers.findIndex((each) => each.port === port);
    const primaryPort = await this.primaryPort();
    this.servers[index] = await this.#start('server', this.#serverLines(primaryPort), port);
  }

  async #isKnown(): Promise<boolean> {
    const replicas = String(this.options.replicas ?? 1);
    for (const sentinel of this.sentinels) {
      const answer = await this.ask(sentinel, (redis) => redis.call('SENTINEL', 'MASTER', MASTER));
      const fields = Array.isArray(answer) ? answer.map(String) : [];
      const field = (name: string) => fields[fields.indexOf(name) + 1];
      if (field('num-slaves') !== replicas || field('num-other-sentinels') !== '2') return false;
    }
    return true;
  }

  #anySentinel(): Server {
    const sentinel = this.sentinels.at(-1);
    if (sentinel === undefined) throw new Error('there is no Sentinel');
    return sentinel;
  }

  async #startServer(primaryPort?: number): Promise<Server> {
    const server = await this.#start('server', this.#serverLines(primaryPort));
    this.servers.push(server);
    return server;
  }

  #serverLines(primaryPort?: number): string[] {
    const { password } = this.options;
    return [
      'save ""',
      'repl-diskless-sync-delay 0',
      ...(password === undefined ? [] : [`requirepass ${password}`, `masterauth ${password}`]),
      ...(primaryPort === undefined ? [] : [`replicaof 127.0.0.1 ${primaryPort}`]),
    ];
  }

  async #startSentinel(primaryPort: number): Promise<void> {
    const { password, sentinelPassword, downAfterMs = 1000 } = this.options;
    const sentinel = await this.#start('sentinel', [
      `sentinel monitor ${MASTER} 127.0.0.1 ${primaryPort} 2`,
      `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
      `sentinel failover-timeout ${MASTER} 5000`,
      ...(password === undefined ? [] : [`sentinel auth-pass ${MASTER} ${password}`]),
      ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`]),
    ]);
    this.sentinels.push(sentinel);
  }

  /** A Sentinel rewrites its configuration, so each has a file and a folder of its own. */
  async #start(
    kind: 'server' | 'sentinel',
    lines: readonly string[],
    again?: number,
  ): Promise<Server> {
    const port = again ?? (await freePort());
    const dir = join(await this.scratch.dir(), `${kind}-${port}`);
    await mkdir(dir, { mode: 0o700, recursive: true });
    const file = join(dir, 'redis.conf');
    const { tls } = this.options;
    const ports = tls
      ? ['port 0', `tls-port ${port}`, 'tls-replication yes', ...tls.directives]
      : [`port ${port}`];
    const content = ['bind 127.0.0.1', `dir ${dir}`, ...ports, ...lines, ''].join('\n');
    await writeFile(file, content, { mode: 0o600 });
    const args = kind === 'sentinel' ? [file, '--sentinel'] : [file];
    const child = spawn('redis-server', args, { stdio: 'ignore' });
    this.scratch.owns(() => {
      child.kill('SIGCONT');
      return endProcess(child);
    });
    const server = { port, child };
    const { password, sentinelPassword } = this.options;
    const word = kind === 'sentinel' ? sentinelPassword : password;
    await this.ask(server, (redis) => redis.ping(), word);
    return server;
  }
}
