import { spawn } from 'node:child_process';
import { endsWithUs, environment } from './programs.js';
import { NftRefusal, refusalIn } from './refusal.js';
import type { Script } from './script.js';

/** Putting back 10,000 ranges in one step takes the kernel 8 s; all else takes milliseconds. */
const LIMIT_MS = 30_000;

export interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program of this room to its end, 30 s at most.
 * @throws Error when it cannot be started, or took too long
 */
export function runProgram(command: readonly string[], input = ''): Promise<Output> {
  const [program, ...args] = endsWithUs(command);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: '/',
      env: environment(),
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (signal === null) resolve({ code, stdout, stderr });
      else reject(new Error(`${command[0]} was ended by ${signal}`));
    });
    // It may end before it has read everything; its exit code says why.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/**
 * One nft for one script; resolves with what it printed.
 * @throws NftRefusal nothing of it was done
 */
export async function execScript(
  nft: readonly string[],
  script: Script,
  flags: readonly string[] = [],
): Promise<string> {
  const output = await runProgram([...nft, ...flags, '-f', '-'], `${script.text}\n`);
  if (output.code === 0) return output.stdout;
  throw refusalIn(output.stderr) ?? new NftRefusal('other', `nft ended with ${output.code}`);
}
