import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Network } from './netns.js';
import { commandLine, descendants, processesIn } from './process-tree.js';
import { pidGone } from './processes.js';
import { Program } from './program.js';
import type { RunResult } from './run.js';

/** The compiled programs that belong to this compiled test. */
export const programs = {
  postern: fileURLToPath(new URL('../../src/cli/postern.js', import.meta.url)),
  knockd: fileURLToPath(new URL('../../src/cli/knockd.js', import.meta.url)),
  knock: fileURLToPath(new URL('../../src/cli/knock.js', import.meta.url)),
} as const;

/** Start of an argument list that runs one of them with this Node. */
export function node(program: keyof typeof programs, ...args: readonly string[]): string[] {
  return [process.execPath, programs[program], ...args];
}

/** The line by which `postern run` says that it captures. */
export const LISTENING = /^listening on /m;

export interface PosternOptions {
  /** Text of the knockd.conf. */
  readonly conf: string;
  /** Folder to use again after a restart; a new one without it. */
  readonly folder?: string;
  /** Added to `run -c … -i … --state-dir …`. */
  readonly args?: readonly string[];
  /** Value of `-i`; the server's end of the wire by default, none with `null`. */
  readonly interface?: string | null;
  readonly env?: NodeJS.ProcessEnv;
  /** A process group of its own, as a shell gives it to what runs on a terminal. */
  readonly ownGroup?: boolean;
  /** Do not wait for the `listening` line. */
  readonly early?: boolean;
}

/** A configuration and a state folder for one postern, also across its restarts. */
export async function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'postern-test-'));
}

/** Starts `postern run` in the server namespace and waits until it captures. */
export async function startPostern(network: Network, options: PosternOptions): Promise<Postern> {
  const folder = options.folder ?? (await makeFolder());
  const conf = join(folder, 'knockd.conf');
  const stateDir = join(folder, 'state');
  await mkdir(folder, { recursive: true });
  await writeFile(conf, options.conf, { mode: 0o600 });
  const on = options.interface === undefined ? network.interfaces.server : options.interface;
  const argv = node('postern', 'run', '-c', conf, ...(on === null ? [] : ['-i', on]));
  argv.push('--state-dir', stateDir, ...(options.args ?? []));
  const env = { ...process.env, ...options.env };
  const child = network.spawn('server', argv, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.ownGroup === true,
  });
  const postern = new Postern(network, new Program(child), folder);
  if (!options.early) {
    try {
      await postern.program.waitFor(LISTENING);
    } catch (error) {
      await postern.dispose();
      throw error;
    }
  }
  return postern;
}

/** A running `postern run` in the server namespace of a test network. */
export class Postern {
  readonly conf: string;
  readonly stateDir: string;

  constructor(
    private readonly network: Network,
    readonly program: Program,
    readonly folder: string,
  ) {
    this.conf = join(folder, 'knockd.conf');
    this.stateDir = join(folder, 'state');
  }

  get pid(): number {
    return this.program.pid;
  }

  /** Everything it wrote so far. */
  get logs(): string {
    return this.program.logs;
  }

  /** Runs a subcommand that talks to it over its control socket. */
  ask(...args: readonly string[]): Promise<RunResult> {
    return this.network.exec('server', node('postern', ...args, '--state-dir', this.stateDir));
  }

  /** `postern status --json`. */
  async status(): Promise<Status> {
    const { code, stdout, stderr } = await this.ask('status', '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Status;
  }

  /** `postern events --json`: the journal, oldest first. */
  async events(): Promise<Event[]> {
    const { code, stdout, stderr } = await this.ask('events', '--json');
    assert.equal(code, 0, stderr);
    const lines = stdout.split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Event);
  }

  /** Replaces the configuration, sends SIGHUP, and waits for the line that tells the outcome. */
  async reload(conf: string, outcome: RegExp): Promise<void> {
    const from = this.logs.length;
    await writeFile(this.conf, conf, { mode: 0o600 });
    this.program.child.kill('SIGHUP');
    await this.program.waitFor(outcome, { from });
  }

  /**
   * Ends it with SIGTERM, within 2 s by the promise of `postern run`, and asserts that it exits 0
   * and that nothing of it lives on. Gives how long that took, in milliseconds.
   * @param options `keep` leaves its folder; `group` signals its whole process group
   */
  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
    { keep = false, group = false } = {},
  ): Promise<number> {
    const family = this.#family();
    const began = performance.now();
    if (group) process.kill(-this.pid, signal);
    const exit = await (group ? this.program.ended() : this.program.end(signal));
    const tookMs = performance.now() - began;
    assert.deepEqual(exit, { code: 0, signal: null }, this.logs);
    await this.#assertGone(family);
    if (!keep) await rm(this.folder, { recursive: true, force: true });
    return tookMs;
  }

  /** kill -9: sensors and Redis must die with it. The folder stays, for the next start. */
  async kill(): Promise<void> {
    const family = this.#family();
    assert.ok(family.length >= 2, 'a sensor and Redis are there to be left behind');
    await this.program.end('SIGKILL');
    await this.#assertGone(family);
  }

  /** Ends it whatever it takes and removes its folder. Never throws. */
  async dispose(): Promise<void> {
    await this.program.dispose();
    await rm(this.folder, { recursive: true, force: true }).catch(() => undefined);
  }

  /** Its Redis and its sensors; commands that it started may live on (a start without a stop). */
  #family(): number[] {
    const below = this.program.running ? descendants(this.pid) : [];
    const own = below.filter((pid) => /redis-server|sensor/.test(commandLine(pid)));
    return [...new Set([...own, ...processesIn(this.stateDir)])].filter((pid) => pid !== this.pid);
  }

  async #assertGone(family: readonly number[]): Promise<void> {
    for (const pid of [...family, ...processesIn(this.stateDir)]) {
      assert.ok(await pidGone(pid), `orphan: ${pid} ${commandLine(pid)}`);
    }
  }
}

/** What tests read of `postern status --json`. */
export interface Status {
  readonly grants: readonly {
    readonly grant: string;
    readonly door: string;
    readonly source: string;
    readonly state: string;
    readonly leftSeconds: number | null;
    readonly unjournalled?: true;
  }[];
  readonly sensors: readonly { readonly interface: string; readonly state: string }[];
  readonly deliveries: readonly {
    readonly sink: string;
    readonly owed: number;
    readonly nextSeconds: number;
    readonly reason?: string;
  }[];
}

/** What tests read of `postern events --json`. */
export interface Event {
  readonly type: string;
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  readonly grant?: string;
  readonly door?: string;
  readonly source?: string;
  readonly cause?: string;
  readonly sink?: string;
  /** What a sink was told of. */
  readonly event?: string;
  readonly attempt?: number;
  /** A grant's deadline by the wall clock, milliseconds. */
  readonly until?: number | null;
}
