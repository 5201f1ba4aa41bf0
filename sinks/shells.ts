/**
 * Shells that wait for their command. To start a process, the kernel copies the page tables of some
 * 60 MB, and for two milliseconds nothing else happens here; a shell that was started before takes
 * its command in a twentieth of that.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

export interface ShellCommand {
  readonly command: string;
  /** All of the command's environment but PATH. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A shell that runs a command; its input, if it has one, is not the command's. */
export type Shell = ChildProcessByStdio<Writable | null, Readable, Readable>;

export interface Shells {
  /** Runs `/bin/sh -c command` in `/`, in a process group of its own, with `/dev/null` as input. */
  run(command: ShellCommand): Shell;
  /** Starts the shells that wait, for the first command. */
  fill(): void;
  /** Ends those that wait. Commands still run, each with a shell of its own. */
  close(): void;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** A burst finds two; the rest of it starts its own. */
const WAITING = 2;
/** Not while the command that was just handed out begins. */
const REPLACE_AFTER_MS = 50;

type WaitingShell = ChildProcessByStdio<Writable, Readable, Readable>;

export function createShells(): Shells {
  const waiting = new Set<WaitingShell>();
  let isClosed = false;
  let replacing: NodeJS.Timeout | undefined;

  function add(): void {
    const shell = spawn('/bin/sh', ['-s'], {
      ...{ cwd: '/', detached: true, env: { PATH } },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const gone = () => waiting.delete(shell);
    shell.once('exit', gone);
    shell.once('error', gone);
    // Of one that died just now: its exit tells.
    shell.stdin.on('error', () => {});
    keepAlive(shell, false);
    waiting.add(shell);
  }

  function fill(): void {
    while (!isClosed && waiting.size < WAITING) add();
  }

  function take(): WaitingShell | undefined {
    const [shell] = waiting;
    if (shell === undefined) return undefined;
    waiting.delete(shell);
    keepAlive(shell, true);
    return shell;
  }

  return {
    run(request) {
      if (!isClosed) {
        replacing ??= setTimeout(() => {
          replacing = undefined;
          fill();
        }, REPLACE_AFTER_MS).unref();
      }
      const shell = take();
      if (shell === undefined) return startShell(request);
      shell.stdin.end(scriptOf(request));
      return shell;
    },
    fill,
    close() {
      isClosed = true;
      clearTimeout(replacing);
      for (const shell of waiting) shell.stdin.end();
      waiting.clear();
    },
  };
}

function startShell({ command, environment }: ShellCommand): Shell {
  return spawn('/bin/sh', ['-c', command], {
    ...{ cwd: '/', detached: true, env: { PATH, ...environment } },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The waiting shell becomes the command's: same pid, same pipes, nothing left of it. */
function scriptOf({ command, environment }: ShellCommand): string {
  const exports = Object.entries(environment).map(
    ([name, value]) => `export ${name}=${quoted(value)}\n`,
  );
  // What the shell itself has put into its environment.
  const own = 'unset -v PWD OLDPWD SHLVL\n';
  return `${own}${exports.join('')}exec /bin/sh -c ${quoted(command)} </dev/null\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Whether this process waits for the shell before it ends. */
function keepAlive(shell: WaitingShell, yes: boolean): void {
  // Pipes to a child are sockets, whatever their type says.
  const streams: readonly unknown[] = [shell.stdin, shell.stdout, shell.stderr];
  for (const part of [shell, ...streams.filter((stream) => stream instanceof Socket)]) {
    if (yes) part.ref();
    else part.unref();
  }
}
