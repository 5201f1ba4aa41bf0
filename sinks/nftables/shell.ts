/** One long-lived `nft -i`, fed over a pipe: a change takes it 0.2 ms, an nft of its own 4 ms. */
import { type ChildProcess, spawn } from 'node:child_process';
import { endsWithUs, environment } from './programs.js';
import { type NftRefusal, refusalIn } from './refusal.js';
import type { Script } from './script.js';

/** A healthy nft answers within milliseconds, even with 10,000 elements. */
const ANSWER_MS = 3000;
const STOP_GRACE_MS = 500;

/** The shell ended, or did not answer: nobody knows whether the script was carried out. */
export class ShellLost extends Error {
  override readonly name = 'ShellLost';
}

interface Waiter {
  readonly sentinel: string;
  settle(refusal: NftRefusal | undefined): void;
  lose(reason: string): void;
  readonly timer: NodeJS.Timeout;
}

export class Shell {
  readonly #child: ChildProcess;
  #waiters: Waiter[] = [];
  #said = '';
  #scripts = 0;
  #gone: string | undefined;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;

  constructor(command: readonly string[]) {
    const [program, ...args] = endsWithUs([...command, '-i']);
    this.#child = spawn(program, args, {
      cwd: '/',
      env: environment(),
      // A group of its own: Ctrl-C on a terminal is for the core, which ends this last.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // Lists are never asked for here; what it prints all the same must not fill the pipe.
    this.#child.stdout?.resume();
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    // A broken pipe means that it is gone; its end is heard below.
    this.#child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('close', (code, signal) => resolve(signal ?? `code ${code}`));
    });
    void this.ended.then((how) => this.#lost(`nft -i ended (${how})`));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Resolves once the kernel has taken the whole script.
   * @throws NftRefusal nothing of it was done
   * @throws ShellLost
   */
  run(script: Script): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(new ShellLost(this.#gone));
      this.#scripts += 1;
      // Not a statement of nft's: its complaint comes behind every word about the script.
      const sentinel = `postern_end_${this.#scripts}`;
      const timer = setTimeout(() => this.#giveUp(), ANSWER_MS);
      this.#waiters.push({
        sentinel,
        timer,
        settle: (refusal) => (refusal ? reject(refusal) : resolve()),
        lose: (reason) => reject(new ShellLost(reason)),
      });
      this.#child.stdin?.write(`${script.text}\n${sentinel}\n`);
    });
  }

  /** Lets it finish what it was given, then ends it. */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_GRACE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #hear(text: string): void {
    this.#said += text;
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const end = this.#said.indexOf(`\n${waiter.sentinel}\n`);
      if (end === -1) return;
      // The line before the sentinel is the complaint about it.
      const about = this.#said.slice(0, Math.max(0, this.#said.lastIndexOf('\n', end - 1)));
      this.#said = this.#said.slice(end + waiter.sentinel.length + 2);
      this.#waiters.shift();
      clearTimeout(waiter.timer);
      waiter.settle(refusalIn(about));
    }
  }

  #giveUp(): void {
    this.#child.kill('SIGKILL');
    this.#lost('nft -i does not answer');
  }

  #lost(reason: string): void {
    this.#gone ??= reason;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { timer, lose } of waiters) {
      clearTimeout(timer);
      lose(reason);
    }
  }
}
