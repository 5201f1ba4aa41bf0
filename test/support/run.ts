import { type ChildProcess, spawn } from 'node:child_process';

export interface RunOptions {
  /** Killed (SIGKILL) after this many milliseconds; 10,000 by default. */
  readonly timeoutMs?: number;
  /** Text for its standard input; closed at once without it. */
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

export interface RunResult {
  /** Exit code; 128 + signal number when a signal ended it; 124 when it ran into its time limit. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: 2,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGABRT: 6,
  SIGTERM: 15,
};

/** Runs a command to its end. Rejects only if it cannot be started at all. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [command, ...rest] = argv;
  if (command === undefined) throw new Error('run: no command');
  const child = spawn(command, rest, {
    stdio: 'pipe',
    ...(options.env && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  // A command that reads nothing may be gone before its input is written: not an error here.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return finish(child, options.timeoutMs ?? 10_000);
}

function finish(child: ChildProcess, timeoutMs: number): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const bySignal = 128 + ((signal && SIGNAL_NUMBERS[signal]) ?? 0);
      resolve({
        code: late ? 124 : (code ?? bySignal),
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
  });
}

/** Like `run`, but rejects with the command and what it said when it does not exit 0. */
export async function mustRun(argv: readonly string[], options?: RunOptions): Promise<string> {
  const result = await run(argv, options);
  if (result.code === 0) return result.stdout;
  throw new Error(`${argv.join(' ')} ended with ${result.code}: ${result.stderr || result.stdout}`);
}
