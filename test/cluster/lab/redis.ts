/** The Redis that a cluster of a test shares: a redis-server that can be hurt, and comes back. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Network } from '../../support/netns.js';
import { poll } from '../../support/poll.js';
import { Program } from '../../support/program.js';

export interface SharedServerOptions {
  /** Where it runs, as the server of a network. */
  readonly network: Network;
  readonly address: string;
  /** Made when it is not there; keeps its data. */
  readonly folder: string;
  /** 6379 without it. */
  readonly port?: number;
  /** A random one without it. */
  readonly password?: string;
  /** Further lines of its configuration, such as `replicaof HOST PORT`. */
  readonly directives?: readonly string[];
}

export class SharedServer {
  readonly port: number;
  readonly password: string;
  /** A way in that no partition cuts, for what a test reads and what an attacker does. */
  readonly socket: string;
  #program: Program | undefined;
  readonly #inside = new Set<Redis>();

  constructor(private readonly options: SharedServerOptions) {
    this.port = options.port ?? 6379;
    this.password = options.password ?? randomBytes(12).toString('base64url');
    this.socket = join(options.folder, 'redis.sock');
  }

  get url(): string {
    return `redis://${this.options.address}:${this.port}`;
  }

  get pid(): number {
    return this.#program?.pid ?? 0;
  }

  /** Starts it with the data that it has, and waits until it answers. */
  async start(): Promise<void> {
    if (this.#program?.running === true) throw new Error('the shared Redis runs already');
    const { network, folder, address, directives = [] } = this.options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const child = network.spawn('server', ['redis-server', '-'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const lines = [
      `bind ${address} 127.0.0.1`,
      `port ${this.port}`,
      `unixsocket ${this.socket}`,
      'unixsocketperm 700',
      `requirepass ${this.password}`,
      `masterauth ${this.password}`,
      `dir ${folder}`,
      'appendonly yes',
      'save ""',
      ...directives,
    ];
    child.stdin?.end(`${lines.join('\n')}\n`);
    this.#program = new Program(child);
    const redis = this.connect();
    await poll(() => redis.ping().then(() => true), 'the shared Redis answers');
    this.leave(redis);
  }

  /** kill -9; the data stays. */
  async kill(): Promise<void> {
    await this.#program?.end('SIGKILL');
  }

  /** It is there, and says nothing (SIGSTOP). */
  freeze(): void {
    this.#program?.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#program?.child.kill('SIGCONT');
  }

  /** A connection of one who has the password, and all rights with it; `leave` ends it. */
  connect(): Redis {
    const redis = new Redis({ path: this.socket, password: this.password, replyMapping: 'legacy' });
    // Commands reject with the reason; a server that is away is nothing to say here.
    redis.on('error', () => undefined);
    this.#inside.add(redis);
    return redis;
  }

  leave(redis: Redis): void {
    this.#inside.delete(redis);
    redis.disconnect();
  }

  /** Ends it whatever it takes. Never throws. */
  async dispose(): Promise<void> {
    for (const redis of this.#inside) this.leave(redis);
    this.thaw();
    await this.#program?.dispose();
  }
}
