import { type ChildProcess, spawn } from 'node:child_process';
import { endProcess, hasEnded } from './processes.js';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that keeps running: its output so far, lines to wait for, and its end. */
export class Program {
  /** Standard output and errors together, in the order of their arrival. */
  logs = '';
  readonly exited: Promise<Exit>;
  readonly #heard = new Set<() => void>();

  constructor(readonly child: ChildProcess) {
    const hear = (chunk: Buffer) => {
      this.logs += chunk.toString();
      for (const look of this.#heard) look();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    this.exited = new Promise((resolve) => {
      // `close` comes after the last output, `exit` might not.
      child.once('close', (code, signal) => resolve({ code, signal }));
      child.once('error', (error) => {
        this.logs += error.message;
        resolve({ code: null, signal: null });
      });
    });
  }

  /** Starts a program outside any namespace; standard input closed. */
  static start(argv: readonly string[], env?: NodeJS.ProcessEnv): Program {
    const [command = '', ...rest] = argv;
    return new Program(
      spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...(env && { env }) }),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get running(): boolean {
    return !hasEnded(this.child);
  }

  /**
   * Resolves when the output after position `from` matches. Rejects, with the output, when the
   * program ends first or the time (milliseconds; 10,000) is over.
   */
  waitFor(pattern: RegExp, { from = 0, withinMs = 10_000 } = {}): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#heard.delete(look);
        settle();
      };
      const look = () => {
        const found = pattern.exec(this.logs.slice(from));
        if (found) finish(() => resolve(found));
        return found !== null;
      };
      const fail = (why: string) =>
        finish(() => reject(new Error(`${why}: no ${pattern} in its output:\n${this.logs}`)));
      const timer = setTimeout(() => fail(`waited ${withinMs} ms`), withinMs);
      if (look()) return;
      this.#heard.add(look);
      this.exited.then(() => look() || fail('the program ended'));
    });
  }

  /** Sends a signal and waits for the end; rejects when it still runs after `withinMs`. */
  end(signal: NodeJS.Signals = 'SIGTERM', withinMs = 10_000): Promise<Exit> {
    if (this.running) this.child.kill(signal);
    return this.ended(withinMs);
  }

  /** Waits for the end; rejects, with the output, when it still runs after `withinMs`. */
  async ended(withinMs = 10_000): Promise<Exit> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const giveUp = () => reject(new Error(`still running after ${withinMs} ms:\n${this.logs}`));
      timer = setTimeout(giveUp, withinMs);
    });
    return Promise.race([this.exited, late]).finally(() => clearTimeout(timer));
  }

  /** Ends it whatever it takes. Never throws. */
  async dispose(): Promise<void> {
    await endProcess(this.child);
  }
}
