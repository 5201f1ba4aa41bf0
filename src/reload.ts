/** SIGHUP: another configuration while running (G7). */

import { renderDiagnostic } from '../config/diagnostics.js';
import type { ParsedConfiguration } from '../config/parse.js';
import type { Configuration, Diagnostic, Options } from '../config/types.js';
import { reasonOf } from './errors.js';

export type LoadConfiguration = () => Promise<ParsedConfiguration>;

export interface Reloaded {
  readonly reloaded: boolean;
  /** What was wrong, or what needs a restart; a line each. */
  readonly messages: readonly string[];
}

/** What is set up once, at the start, and the directive that says it. */
const AT_START = {
  interfaces: 'Interface',
  stateDir: 'state_dir',
  localRedis: 'local_redis',
  maxSources: 'max_sources',
  maxMachines: 'max_machines',
  maxCommands: 'max_commands',
  captureBufferBytes: 'capture_buffer',
  sensorUser: 'sensor_user',
  journalLength: 'journal_length',
  nftTable: 'nft_table',
  useSyslog: 'UseSyslog',
  logFile: 'LogFile',
  log: 'log',
  pidFile: 'PidFile',
  cluster: 'cluster',
  host: 'host',
  clusterKeyFile: 'cluster_key_file',
  redis: 'redis',
  redisPasswordFile: 'redis_password_file',
  redisCaFile: 'redis_ca_file',
  redisCertFile: 'redis_cert_file',
  redisKeyFile: 'redis_key_file',
  redisWait: 'redis_wait',
  clockToleranceMs: 'clock_tolerance',
} as const satisfies Partial<Record<keyof Options, string>>;

/**
 * Loads the file and hands it to `take`, which gives what came to light when it was taken. A file with
 * errors, or one that cannot be taken, changes nothing: the running configuration stays in force.
 */
export async function reload(
  running: Configuration,
  load: LoadConfiguration,
  take: (configuration: Configuration) => Promise<readonly Diagnostic[]>,
): Promise<Reloaded> {
  try {
    const { configuration, diagnostics } = await load();
    const messages = diagnostics.map(renderDiagnostic);
    if (configuration === undefined) return { reloaded: false, messages };
    const taken = (await take(configuration)).map(renderDiagnostic);
    const restart = needsRestart(running, configuration);
    return { reloaded: true, messages: [...messages, ...taken, ...restart] };
  } catch (error) {
    return { reloaded: false, messages: [reasonOf(error)] };
  }
}

function needsRestart(before: Configuration, after: Configuration): string[] {
  const valuesOf = (options: Partial<Record<string, unknown>>) =>
    Object.keys(AT_START).map((name) => JSON.stringify(options[name]));
  const [old, now] = [valuesOf({ ...before.options }), valuesOf({ ...after.options })];
  const changed = Object.values(AT_START).filter((_, index) => old[index] !== now[index]);
  if (changed.length === 0) return [];
  return [`${after.file}: ${changed.join(', ')}: takes effect at the next start`];
}
