/**
 * Tells systemd how postern is (sd_notify(3)): ready, alive, stopping. Node has no unix datagram
 * sockets, so the words go through the program systemd-notify, one short process for each. It
 * waits until systemd has taken a word in, and the unit needs `NotifyAccess=all`, since the word
 * comes from a child. Outside a unit of `Type=notify` nothing is started at all.
 */
import { spawn } from 'node:child_process';
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';

/** systemd-notify itself gives up on a manager that does not answer after 5 s. */
const PATIENCE_MS = 6000;

export interface SystemdNotifier {
  /** It listens, or waits for its interface: `status` is what `systemctl status` shows. */
  ready(status: string): void;
  /** It changed: another word for `systemctl status`. Nothing before it was ready. */
  status(text: string): void;
  /** It has begun to end. The watchdog is answered until `release`. */
  stopping(): void;
  /** Nothing is said any more. */
  release(): void;
}

export interface NotifierOptions {
  /** Where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID stand; this process's by default. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly log: Log;
}

/** Speaks to the manager that NOTIFY_SOCKET names; without one it does nothing. Never throws. */
export function createNotifier({
  log,
  environment = process.env,
}: NotifierOptions): SystemdNotifier {
  const socket = environment['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return SILENT;
  return new Notifier(socket, watchdogMs(environment), environment['PATH'], log);
}

const SILENT: SystemdNotifier = { ready() {}, status() {}, stopping() {}, release() {} };

class Notifier implements SystemdNotifier {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #watchdogMs: number | undefined;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  /** A ping that systemd has not taken in yet: another one would say nothing new. */
  #pinging = false;
  #failing = false;
  #ready = false;

  constructor(socket: string, watchdog: number | undefined, path: string | undefined, log: Log) {
    this.#environment = { NOTIFY_SOCKET: socket, PATH: path ?? '/usr/bin:/bin' };
    this.#watchdogMs = watchdog;
    this.#log = log;
  }

  ready(status: string): void {
    // The pid, for a unit that starts postern through a shell.
    this.#say('--ready', `--pid=${process.pid}`, `--status=${status}`);
    this.#ready = true;
    if (this.#watchdogMs === undefined || this.#timer !== undefined) return;
    // On the event loop, so that a core that hangs is not said to be alive.
    this.#timer = setInterval(() => this.#ping(), this.#watchdogMs / 2);
    this.#timer.unref();
  }

  status(text: string): void {
    if (this.#ready) this.#say(`--status=${text}`);
  }

  stopping(): void {
    this.#say('STOPPING=1');
  }

  release(): void {
    clearInterval(this.#timer);
  }

  #ping(): void {
    if (this.#pinging) return;
    this.#pinging = true;
    this.#say('WATCHDOG=1').then(() => {
      this.#pinging = false;
    });
  }

  /** Resolves when the word was said, or could not be. */
  #say(...words: string[]): Promise<void> {
    return new Promise((resolve) => {
      const child = spawn('systemd-notify', words, {
        cwd: '/',
        env: this.#environment,
        // What it complains of stands beside our own log.
        stdio: ['ignore', 'ignore', 'inherit'],
        timeout: PATIENCE_MS,
        killSignal: 'SIGKILL',
      });
      // No reason to stay for, once everything else has ended.
      child.unref();
      child.once('error', (error) => {
        this.#heard(`${reasonOf(error)} (package systemd)`);
        resolve();
      });
      child.once('exit', (code, signal) => {
        this.#heard(code === 0 ? undefined : `systemd-notify ended with ${code ?? signal}`);
        resolve();
      });
    });
  }

  /** A failure is told once, until it worked again. */
  #heard(failure: string | undefined): void {
    if (failure !== undefined && !this.#failing) {
      this.#log.warn({ reason: failure }, 'systemd cannot be told how postern is');
    }
    this.#failing = failure !== undefined;
  }
}

/** sd_watchdog_enabled(3): within which time systemd wants a word, if it is meant for this process. */
function watchdogMs(environment: NodeJS.ProcessEnv): number | undefined {
  const pid = environment['WATCHDOG_PID'];
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  const usec = Number(environment['WATCHDOG_USEC']);
  return Number.isSafeInteger(usec) && usec > 0 ? usec / 1000 : undefined;
}
