import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../src/log/types.js';
import { execScript } from './exec.js';
import type { Script } from './script.js';
import { Shell, ShellLost } from './shell.js';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 5000;
/** A shell that lived this long starts the backoff anew. */
const HEALTHY_MS = 10_000;
/** A longer script is better read at once than a line at a time. */
const LONG_SCRIPT = 65_536;

/**
 * The way to the kernel: a supervised `nft -i`, and an nft of its own for a script where that one is
 * away. Every script may be run twice, so one whose outcome is unknown is.
 */
export class Kernel {
  readonly #nft: readonly string[];
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #shell: Shell | undefined;
  #supervised: Promise<void> = Promise.resolve();

  constructor(nft: readonly string[], log: Log) {
    this.#nft = nft;
    this.#log = log;
  }

  /** Pid of the `nft -i`; undefined while there is none. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  start(): void {
    this.#supervised = this.#supervise();
  }

  /** @throws NftRefusal nothing of it was done; Error when nft cannot be run at all */
  async run(script: Script): Promise<void> {
    if (script.text === '') return;
    if (this.#shell !== undefined && script.text.length <= LONG_SCRIPT) {
      try {
        return await this.#shell.run(script);
      } catch (error) {
        if (!(error instanceof ShellLost)) throw error;
      }
    }
    await execScript(this.#nft, script);
  }

  /** What nft prints for a list, in numbers; with `-t` without elements. */
  read(script: Script, flags: readonly string[]): Promise<string> {
    return execScript(this.#nft, script, ['-n', ...flags]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#shell?.end();
    await this.#supervised;
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    let backoffMs = BACKOFF_MIN_MS;
    while (!signal.aborted) {
      const since = performance.now();
      const shell = new Shell(this.#nft);
      this.#shell = shell;
      const reason = await shell.ended;
      this.#shell = undefined;
      if (signal.aborted) return;
      if (performance.now() - since > HEALTHY_MS) backoffMs = BACKOFF_MIN_MS;
      this.#log.warn({ reason, retryMs: backoffMs }, 'nft ended: starting it again');
      // Aborted by stop: the loop looks.
      await delay(backoffMs, undefined, { signal }).catch(() => {});
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }
}
