import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { PosternError, reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { prepareRedisFolder, type RedisFolder } from './folder.js';
import { untilReady } from './ready.js';
import { openServerConfig } from './server-config.js';
import { logServerLine } from './server-log.js';
import { endSurvivors } from './survivors.js';

const STOP_GRACE_MS = 1500;
const LAST_WORDS_MS = 50;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 2000;
/** A server that lived this long starts the backoff anew. */
const HEALTHY_MS = 1000;
/** flock's answer when another server holds the folder (sysexits: EX_TEMPFAIL). */
const LOCKED = 75;
/** A core that runs as its own user holds ambient rights, which Redis has no use for. */
const NO_CAPABILITIES = ['--inh-caps', '-all', '--ambient-caps', '-all'];

export interface PrivateRedisOptions {
  /** The server's own folder, `state_dir/redis`; made when it is missing. */
  readonly dir: string;
  readonly log: Log;
  /** Where programs are looked for, as in PATH. */
  readonly searchPath?: string;
}

/** A redis-server of our own, restarted whenever it ends, until `stop`. */
export interface PrivateRedis {
  /** Path of its unix socket. */
  readonly socket: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Ends the server (SIGTERM, after 1.5 s SIGKILL) and its supervision. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the private redis-server of DESIGN 10 and resolves once it answers. A survivor of an
 * earlier run is ended first, so call it under the lock of the state folder (the control socket).
 *
 * Throws POSTERN_E_STATE_DIR when the folder cannot be used, and POSTERN_E_REDIS when
 * redis-server is not installed or does not start.
 */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const folder = await prepareRedisFolder(options.dir);
  const command = await launchCommand(folder, options.searchPath ?? process.env['PATH'] ?? '');
  const supervision = new Supervision(folder, command, options.log);
  await supervision.start();
  return supervision;
}

/** A server that answered, until it ends. */
interface Running {
  readonly child: ChildProcess;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
}

class Supervision implements PrivateRedis {
  readonly socket: string;
  readonly #folder: RedisFolder;
  readonly #command: readonly string[];
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #running: Running | undefined;
  #supervised: Promise<void> = Promise.resolve();

  constructor(folder: RedisFolder, command: readonly string[], log: Log) {
    this.socket = folder.socket;
    this.#folder = folder;
    this.#command = command;
    this.#log = log;
  }

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  async start(): Promise<void> {
    this.#running = await this.#launch();
    this.#supervised = this.#supervise(this.#running);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const running = this.#running;
    if (running) await end(running);
    await this.#supervised;
  }

  /** Starts the server again whenever it ended by itself, sooner at first, then with patience. */
  async #supervise(first: Running): Promise<void> {
    let running: Running | undefined = first;
    let backoffMs = BACKOFF_MIN_MS;
    while (true) {
      const since = performance.now();
      if (running) {
        const how = await running.ended;
        this.#running = undefined;
        if (this.#stopping.signal.aborted) return;
        this.#log.warn({ reason: how }, 'the private redis-server ended: starting it again');
      }
      if (running && performance.now() - since > HEALTHY_MS) backoffMs = BACKOFF_MIN_MS;
      await delay(backoffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
      running = await this.#relaunch(backoffMs);
    }
  }

  async #relaunch(retryMs: number): Promise<Running | undefined> {
    try {
      const running = await this.#launch();
      this.#running = running;
      // `stop` may have looked just before there was anything to end.
      if (this.#stopping.signal.aborted) await end(running);
      else this.#log.info({ pid: running.child.pid }, 'the private redis-server is back');
      return running;
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      this.#log.error({ reason: reasonOf(error), retryMs }, 'redis-server does not start');
      return undefined;
    }
  }

  async #launch(): Promise<Running> {
    await endSurvivors(this.#folder.dir, this.#log);
    const { child, ended, lastWarning } = spawnServer(this.#command, this.#folder, this.#log);
    // Whichever comes first ends the wait: an answer, the server's end, or our own stop.
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, this.#stopping.signal]);
    try {
      const how = await Promise.race([untilReady(this.#folder.socket, signal), ended]);
      if (how === undefined) return { child, ended };
      throw new Error(lastWarning() ?? `it ended ${how}`);
    } catch (error) {
      await end({ child, ended });
      throw this.#startError(child, error);
    } finally {
      waiting.abort();
    }
  }

  #startError(child: ChildProcess, error: unknown): PosternError {
    if (child.exitCode === LOCKED) {
      return new PosternError(
        'POSTERN_E_STATE_DIR',
        `${this.#folder.dir} is in use by another redis-server: end it or choose another state_dir`,
      );
    }
    return new PosternError(
      'POSTERN_E_REDIS',
      `redis-server did not start in ${this.#folder.dir}: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

interface Spawned extends Running {
  /** What it warned of last, to say why it did not start. */
  lastWarning(): string | undefined;
}

function spawnServer(command: readonly string[], folder: RedisFolder, log: Log): Spawned {
  const [program = '', ...args] = command;
  const config = openServerConfig(folder);
  try {
    const child = spawn(program, args, {
      cwd: folder.dir,
      // A group of its own: Ctrl-C on a terminal is for the core, which ends Redis last.
      detached: true,
      env: { PATH: '/usr/bin:/bin' },
      stdio: [config, 'pipe', 'pipe'],
    });
    let lastWarning: string | undefined;
    for (const output of [child.stdout, child.stderr]) {
      if (!output) continue;
      createInterface({ input: output }).on('line', (line) => {
        lastWarning = logServerLine(log, line) ?? lastWarning;
      });
    }
    return { child, ended: untilEnded(child), lastWarning: () => lastWarning };
  } finally {
    closeSync(config);
  }
}

/**
 * After `close` its last words have been read; a rewriting child of the server's can hold the pipes
 * open longer than the server lived, so soon after `exit` is enough.
 */
function untilEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    const how = (code: number | null, signal: string | null) =>
      signal ? `by ${signal}` : `with exit code ${code}`;
    child.once('error', (error) => resolve(reasonOf(error)));
    child.once('close', (code, signal) => resolve(how(code, signal)));
    child.once('exit', (code, signal) => {
      setTimeout(() => resolve(how(code, signal)), LAST_WORDS_MS);
    });
  });
}

async function end({ child, ended }: Running): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  await ended;
  clearTimeout(timer);
}

/**
 * setpriv lets the server die with us; flock makes the server itself hold the folder's lock for as
 * long as it lives. The server's own configuration comes over standard input.
 */
async function launchCommand(folder: RedisFolder, searchPath: string): Promise<string[]> {
  const [setpriv, flock, server] = await Promise.all([
    findProgram('setpriv', 'util-linux', searchPath),
    findProgram('flock', 'util-linux', searchPath),
    findProgram('redis-server', 'redis-server', searchPath),
  ]);
  const lock = ['--no-fork', '--nonblock', '--conflict-exit-code', String(LOCKED), folder.lock];
  return [setpriv, ...NO_CAPABILITIES, '--pdeathsig', 'TERM', flock, ...lock, server, '-'];
}

async function findProgram(name: string, pkg: string, searchPath: string): Promise<string> {
  for (const dir of searchPath.split(':')) {
    if (dir === '') continue;
    const path = join(dir, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new PosternError(
    'POSTERN_E_REDIS',
    `${name} is not installed: install the package ${pkg} (apt-get install ${pkg})`,
  );
}
