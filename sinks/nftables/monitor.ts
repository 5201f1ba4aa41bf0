import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../src/log/types.js';
import { endsWithUs, environment } from './programs.js';
import type { TableName } from './script.js';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 5000;
const HEALTHY_MS = 10_000;
/** `nft monitor` does not say when it listens; by then it does. */
const LISTENS_MS = 500;

/**
 * `vanished`: a set was removed, perhaps made anew since, and its elements are gone.
 * `touched`: something else may have changed, perhaps by ourselves.
 */
export type Loss = 'vanished' | 'touched';

/**
 * What a line of `nft monitor destroy sets` says about our table; undefined: nothing. A table goes
 * with its sets; a rule of the guard with the set in braces that is part of it. (What is said of
 * elements is left out: nft 1.0.6 crashes on one of an interval set, Debian 12.)
 */
export function lossIn(line: string, table: TableName): Loss | undefined {
  // The kernel had more to tell than its buffer holds.
  if (line.startsWith('# ERROR')) return 'touched';
  const [verb, kind, family, name, what = ''] = line.split(' ');
  if (verb !== 'delete' || kind !== 'set' || `${family} ${name}` !== table.text) return undefined;
  if (table.sets.some((set) => set === what)) return 'vanished';
  return table.own && what.startsWith('__set') ? 'touched' : undefined;
}

/** A supervised `nft monitor`: tells when somebody removes what is ours. */
export class Monitor {
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #supervised: Promise<void> = Promise.resolve();

  constructor(
    private readonly nft: readonly string[],
    private readonly table: TableName,
    private readonly log: Log,
    private readonly onLoss: (loss: Loss) => void,
  ) {}

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    this.#supervised = this.#supervise();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill('SIGTERM');
    await this.#supervised;
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    let backoffMs = BACKOFF_MIN_MS;
    while (!signal.aborted) {
      const since = performance.now();
      // Until then nobody has listened.
      const listens = setTimeout(() => this.onLoss('touched'), LISTENS_MS);
      const reason = await this.#watch();
      clearTimeout(listens);
      if (signal.aborted) return;
      if (performance.now() - since > HEALTHY_MS) backoffMs = BACKOFF_MIN_MS;
      this.log.warn({ reason, retryMs: backoffMs }, 'nft monitor ended: starting it again');
      // Aborted by stop: the loop looks.
      await delay(backoffMs, undefined, { signal }).catch(() => {});
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }

  /** One `nft monitor`; resolves with how it ended. */
  #watch(): Promise<string> {
    const [program, ...args] = endsWithUs([...this.nft, 'monitor', 'destroy', 'sets']);
    const child = spawn(program, args, {
      cwd: '/',
      env: environment(),
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const loss = lossIn(line, this.table);
      if (loss !== undefined) this.onLoss(loss);
    });
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(signal ?? `code ${code}`));
    });
  }
}
