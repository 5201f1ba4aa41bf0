/**
 * `knockd -d`: the parent starts a detached child, waits until it listens, and exits 0, or 1 with
 * the reason. A fork of node's own would share its event loop, so the child is a new process.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadConfiguration } from '../../config/load.js';
import { PosternError, reasonOf } from '../errors.js';
import { configurationErrors } from './configuration-errors.js';
import { type RunOptions, runDaemon } from './run.js';

const CHILD = 'POSTERN_DAEMON_CHILD';
/** The service log of a daemon has no terminal; it is kept in the state folder. */
const SERVICE_LOG = 'service.log';
const SERVICE_LOG_BYTES = 4 * 1024 * 1024;

/** What the child tells its parent, once. */
type Word = { readonly ready: readonly string[] } | { readonly failed: string };

export function isDaemonChild(): boolean {
  return process.env[CHILD] !== undefined;
}

/** In the parent: gives the exit code once the child listens, or could not start. */
export async function daemonize(options: RunOptions): Promise<number> {
  const { configuration, diagnostics } = await loadConfiguration(options.config);
  if (configuration === undefined) throw configurationErrors(options.config, diagnostics);
  const errors = openServiceLog(options.stateDir ?? configuration.options.stateDir);
  const child = spawn(process.execPath, process.argv.slice(1), {
    detached: true,
    stdio: ['ignore', 'ignore', errors, 'ipc'],
    env: { ...process.env, [CHILD]: '1' },
  });
  closeSync(errors);
  const word = await new Promise<Word>((done) => {
    child.once('message', (message) => done(message as Word));
    child.once('error', (error) => done({ failed: reasonOf(error) }));
    child.once('exit', (code, signal) => done({ failed: `it ended (${signal ?? code})` }));
  });
  child.removeAllListeners();
  child.disconnect?.();
  child.unref();
  if ('failed' in word) throw new PosternError('POSTERN_E_USAGE', word.failed);
  for (const line of word.ready) process.stdout.write(`${line}\n`);
  return 0;
}

/** In the child: runs, with its pid in a file as long as it does. */
export async function runAsChild(options: RunOptions, pidFile?: string): Promise<number> {
  delete process.env[CHILD];
  const { configuration } = await loadConfiguration(options.config);
  // An empty PidFile asks for none, as in knockd.
  const named = pidFile ?? configuration?.options.pidFile ?? '';
  const path = named === '' ? undefined : resolve(named);
  const tell = (word: Word) => process.send?.(word, () => process.disconnect?.());
  try {
    if (path !== undefined) await writePid(path);
    return await runDaemon({ ...options, onReady: (lines) => tell({ ready: lines }) });
  } catch (error) {
    tell({ failed: reasonOf(error) });
    throw error;
  } finally {
    if (path !== undefined) await rm(path, { force: true });
  }
}

async function writePid(path: string): Promise<void> {
  try {
    await writeFile(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (error) {
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `the pid file ${path} cannot be written (${reasonOf(error)}); name another with -p`,
      { cause: error },
    );
  }
}

function openServiceLog(stateDir: string): number {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const path = join(stateDir, SERVICE_LOG);
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > SERVICE_LOG_BYTES) renameSync(path, `${path}.1`);
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `the state folder ${stateDir} cannot be used (${reasonOf(error)}); name another one with --state-dir`,
      { cause: error },
    );
  }
}
