/** One command of a door, from `/bin/sh -c` to its end. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { LONGEST_TIMER_MS } from '../src/clock.js';
import { PosternError, reasonOf } from '../src/errors.js';
import { logLines, outputBudget } from './output.js';
import type { Shell, ShellCommand, Shells } from './shells.js';

/** Between SIGTERM and SIGKILL, milliseconds. */
const KILL_AFTER_MS = 1000;
/** How long a command that may run for ever is listened to, milliseconds. */
export const LISTEN_MS = 2000;
/** How long the output of a command that has ended is waited for, milliseconds. */
const DRAIN_MS = 100;

/** The command has the address filled in; it sees nothing else of postern's environment. */
export interface CommandRequest extends ShellCommand {
  readonly timeoutMs: number;
  /**
   * At the timeout or an abort: `end` ends the whole process group; `leave` leaves it running and
   * calls it a success (a start command without a stop may run for ever, G10).
   */
  readonly overdue: 'end' | 'leave';
  readonly signal: AbortSignal;
  readonly onOutput: (stream: 'stdout' | 'stderr', line: string) => void;
}

export interface RunningCommand {
  /** Resolves at exit status 0, or when left running. Rejects with POSTERN_E_COMMAND. */
  readonly done: Promise<void>;
  /** Stops listening: the command runs on, writes into the void, and outlives this process. */
  release(): void;
}

/**
 * Starts the command in a process group of its own, in `/`, with `/dev/null` as input and no other
 * descriptor of ours. Its output is read by us as long as we are bound to it. A command that is
 * left running, or a child that it left behind, must not die of SIGPIPE when we end: its output is
 * handed over to a `cat` that reads it into `/dev/null` until the last writer is gone. So of a
 * command that may run for ever, the first `LISTEN_MS` are logged.
 */
export function startCommand(request: CommandRequest, shells: Shells): RunningCommand {
  const child = shells.run(request);
  const release = listen(child, request.onOutput);
  // The child itself keeps this process alive, until it is released; so no timer needs to.
  const stopListening =
    request.overdue === 'leave' ? setTimeout(release, LISTEN_MS).unref() : undefined;
  const drained = () => setTimeout(release, DRAIN_MS);
  child.once('exit', drained);
  child.once('close', () => clearTimeout(stopListening));
  return { done: settle(child, request, release), release };
}

function listen(child: Shell, onOutput: CommandRequest['onOutput']): () => void {
  const budget = outputBudget();
  const open = new Map<Readable, () => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = child[name];
    open.set(
      stream,
      logLines(stream, budget, (line) => onOutput(name, line)),
    );
    stream.once('close', () => open.delete(stream));
  }
  return () => {
    for (const [stream, stopReading] of open) {
      open.delete(stream);
      stopReading();
      handOver(stream);
    }
    child.unref();
  };
}

/** Gives our end of a pipe to a process that reads it to its end. */
function handOver(stream: Readable): void {
  if (stream.destroyed || stream.readableEnded) return;
  const reader = spawn('/bin/cat', [], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: [stream, 'ignore', 'ignore'],
  });
  // Without it the command's next write fails, which is all that can be done about it.
  reader.once('error', () => {});
  reader.unref();
  stream.destroy();
}

function settle(child: Shell, request: CommandRequest, release: () => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let ending: string | undefined;
    const overdue = (why: string) => {
      if (request.overdue === 'leave') {
        release();
        finish();
        resolve();
      } else if (ending === undefined) {
        ending = why;
        endGroup(child.pid);
      }
    };
    const timer = setTimeout(
      () => overdue(`ran longer than ${request.timeoutMs / 1000} s and was ended`),
      Math.min(request.timeoutMs, LONGEST_TIMER_MS),
    ).unref();
    const aborted = () => overdue('was ended before it was done');
    const finish = () => {
      clearTimeout(timer);
      request.signal.removeEventListener('abort', aborted);
    };
    child.once('error', (error) => {
      finish();
      reject(failure(`cannot run: ${reasonOf(error)}`));
    });
    child.once('exit', (code, signal) => {
      finish();
      if (ending !== undefined) reject(failure(ending));
      else if (code === 0) resolve();
      else reject(failure(code === null ? `died of ${signal}` : `ended with status ${code}`));
    });
    if (request.signal.aborted) aborted();
    else request.signal.addEventListener('abort', aborted, { once: true });
  });
}

function failure(why: string): PosternError {
  return new PosternError('POSTERN_E_COMMAND', `the command ${why}`);
}

/** SIGTERM to the whole group, and SIGKILL to what is left of it a second later. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined || !signalGroup(pid, 'SIGTERM')) return;
  setTimeout(() => signalGroup(pid, 'SIGKILL'), KILL_AFTER_MS).unref();
}

/** Whether there was a group to signal. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false; // ESRCH: all of it is gone.
  }
}
