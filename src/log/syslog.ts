import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { reasonOf } from '../errors.js';
import type { LineSink } from './action-log.js';
import type { Log } from './types.js';

/** As knockd: openlog("knockd", 0, LOG_USER), LOG_NOTICE. */
const LOGGER = ['logger', '-t', 'knockd', '-p', 'user.notice'] as const;
/** A child that dies is replaced this often in a minute; then UseSyslog rests until a reopen. */
const MAX_STARTS = 5;
const STARTS_WITHIN_MS = 60_000;
/** More than this many bytes that the child has not read are not added to. */
const MAX_WAITING_BYTES = 256 * 1024;
/** How long the child may take to pass on the last lines. */
const CLOSE_MS = 1_000;

interface Child {
  readonly process: ChildProcess;
  readonly stdin: Writable;
  readonly ended: Promise<void>;
}

/**
 * `UseSyslog`: one long-lived logger(1) that is fed the lines, started with the first one. When it
 * cannot be kept running the service's own log is told once, and lines are lost.
 */
export class Syslog implements LineSink {
  readonly #log: Log;
  readonly #command: readonly [string, ...string[]];
  readonly #starts: number[] = [];
  #child: Child | undefined;
  #lost = false;
  #closed = false;

  constructor(log: Log, command: readonly [string, ...string[]] = LOGGER) {
    this.#log = log;
    this.#command = command;
  }

  write(text: string): void {
    if (this.#closed) return;
    this.#child ??= this.#start();
    const stdin = this.#child?.stdin;
    if (stdin !== undefined && stdin.writableLength <= MAX_WAITING_BYTES) stdin.write(`${text}\n`);
    else this.#lose('logger(1) takes no more lines');
  }

  reopen(): void {
    this.#starts.length = 0;
    this.#lost = false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    if (child === undefined) return;
    child.stdin.end();
    const timer = setTimeout(() => child.process.kill('SIGKILL'), CLOSE_MS);
    await child.ended;
    clearTimeout(timer);
  }

  #start(): Child | undefined {
    const now = performance.now();
    while ((this.#starts[0] ?? now) < now - STARTS_WITHIN_MS) this.#starts.shift();
    if (this.#starts.length >= MAX_STARTS) return undefined;
    this.#starts.push(now);
    const [command, ...rest] = this.#command;
    // Detached: Ctrl-C ends the service, and the logger after its last line.
    const process = spawn(command, rest, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    const { stdin } = process;
    // A child that died is noticed by its exit; the line in the pipe went with it.
    stdin.on('error', () => undefined);
    const ended = new Promise<void>((resolve) => {
      const end = () => {
        if (this.#child?.process === process) this.#child = undefined;
        resolve();
      };
      process.once('exit', end);
      process.once('error', (error) => {
        this.#lose(reasonOf(error));
        end();
      });
    });
    return { process, stdin, ended };
  }

  #lose(reason: string): void {
    if (!this.#lost) this.#log.warn({ reason }, 'UseSyslog: lines are lost');
    this.#lost = true;
  }
}
