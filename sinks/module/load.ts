/** Loads a user's module from a file that nobody else can change, and takes the sink out of it. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { readTrusted } from '../../config/trusted-file.js';
import { PosternError } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';
import type { ModuleSettings } from '../settings.js';
import { asFactory, type ModuleContext, type UserSink, understandSink } from './contract.js';
import { moduleReason, oneLine } from './reason.js';
import { type Owner, runAs } from './stray-errors.js';
import { trustedPath } from './trusted-path.js';

const MAX_BYTES = 4 * 1024 * 1024;

/** Node remembers what could not be loaded as well; after a failure everything is loaded anew. */
let failures = 0;

export interface LoadedModule {
  readonly sink: UserSink;
  /** Whose errors its errors are. */
  readonly owner: Owner;
}

/** A module that is not loaded yet. */
export interface ModuleFile {
  /** Without symbolic links. */
  readonly path: string;
  readonly content: Buffer;
}

/**
 * Looks at file, links and folders (T8), and reads the file; nothing of it is run.
 * @throws PosternError POSTERN_E_SINK with section, path and what is wrong
 */
export async function readModule(settings: ModuleSettings): Promise<ModuleFile> {
  const file = await trustedPath(settings.path);
  if ('problem' in file) throw refusal(settings, file.at, file.problem);
  const read = await readTrusted(file.path, MAX_BYTES);
  if ('problem' in read) throw refusal(settings, file.path, read.problem);
  if (!file.path.endsWith('.mjs'))
    throw refusal(settings, settings.path, 'is no ES module by its name; name it NAME.mjs');
  return { path: file.path, content: read.content };
}

function refusal({ name }: ModuleSettings, at: string, why: string): PosternError {
  return new PosternError('POSTERN_E_SINK', oneLine(`[${name}]: ${at} ${why}`));
}

/**
 * Loads the module and, where it exports a function, calls that. A file that has changed is loaded
 * anew; one that has not keeps what its own top level remembers. `withinMs` bounds it all.
 * @throws PosternError POSTERN_E_SINK with section, path, what is wrong, and where it is known the line
 */
export async function loadModule(
  settings: ModuleSettings,
  withinMs: number,
  log: Log,
): Promise<LoadedModule> {
  const { name, path } = settings;
  const refuse = (why: string) => refusal(settings, path, why);
  const file = await readModule(settings);
  const digest = createHash('sha256').update(file.content).digest('hex').slice(0, 16);
  const { href } = pathToFileURL(file.path);
  const owner: Owner = { name, href, log };
  try {
    const url = `${href}?load=${digest}-${failures}`;
    const sink = await inTime(
      withinMs,
      runAs(owner, () => take(url, settings, log)),
    );
    if ('problem' in sink) throw refuse(sink.problem);
    return { sink, owner };
  } catch (error) {
    failures += 1;
    if (error instanceof PosternError && error.code === 'POSTERN_E_SINK') throw error;
    const line = lineOf(error, href) ?? (await lineOfSyntax(error, file.path));
    const where = line === undefined ? '' : `, line ${line}`;
    throw refuse(`cannot be loaded${where}: ${moduleReason(error)}`);
  }
}

const NO_DEFAULT =
  'has no default export: write export default { open(grant, signal) { … }, close(grant, signal) { … } }';

async function take(
  url: string,
  settings: ModuleSettings,
  log: Log,
): Promise<UserSink | { problem: string }> {
  const loaded: unknown = await import(url);
  return hasDefault(loaded) ? make(loaded.default, settings, log) : { problem: NO_DEFAULT };
}

function hasDefault(loaded: unknown): loaded is { readonly default: unknown } {
  return typeof loaded === 'object' && loaded !== null && 'default' in loaded;
}

async function make(
  exported: unknown,
  { name, options }: ModuleSettings,
  log: Log,
): Promise<UserSink | { problem: string }> {
  const factory = asFactory(exported);
  if (factory === undefined) return understandSink(exported, 'its default export');
  const made: unknown = await factory(Object.freeze({ ...options }), moduleContext(name, log));
  return understandSink(made, 'what its default export gives');
}

function moduleContext(name: string, log: Log): ModuleContext {
  const at = (level: keyof Log) => (text: string) => log[level]({ sink: name }, oneLine(`${text}`));
  const lines = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return Object.freeze({ name, log: Object.freeze(lines) });
}

async function inTime<T>(withinMs: number, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = async (): Promise<never> => {
    await sleep(withinMs, undefined, { signal: over.signal });
    throw new Error(`it is not done within ${withinMs / 1000} s`);
  };
  const lateness = late();
  lateness.catch(() => {}); // Whoever loads hears of it, or the module was done before.
  try {
    return await Promise.race([work, lateness]);
  } finally {
    work.catch(() => {});
    over.abort();
  }
}

/** The line of the module that stands in the error's stack. */
function lineOf(error: unknown, href: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const stack = String(error.stack);
  const at = stack.indexOf(`${href}?`);
  return at < 0 ? undefined : /^\?load=[\w-]*:(\d+)/.exec(stack.slice(at + href.length))?.[1];
}

/** V8 tells the line of a syntax error only when it prints it, so Node is asked to. */
async function lineOfSyntax(error: unknown, path: string): Promise<string | undefined> {
  if (!(error instanceof SyntaxError)) return undefined;
  const options = { env: {}, timeout: 5000, cwd: '/' };
  const printed = await new Promise<string>((resolve) => {
    execFile(process.execPath, ['--check', path], options, (_, __, stderr) => resolve(stderr));
  });
  return /^[^\n]*:(\d+)\n/.exec(printed)?.[1];
}
