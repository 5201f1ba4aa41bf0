import { existsSync } from 'node:fs';
import { loadConfiguration } from '../../config/load.js';
import { DEFAULT_OPTIONS } from '../../config/options.js';
import { stateDirAt } from '../state-dir.js';
import { configurationErrors } from './configuration-errors.js';

const DEFAULT_CONFIG = '/etc/knockd.conf';

export interface SocketPlace {
  readonly stateDir?: string;
  readonly config?: string;
}

/**
 * Where the running postern answers: the folder that was named, else that of the configuration
 * named, else that of the default configuration if it can be read, else the default folder.
 * @throws PosternError POSTERN_E_CONFIG when a configuration that was named does not load.
 */
export async function controlSocket({ stateDir, config }: SocketPlace): Promise<string> {
  return stateDirAt(stateDir ?? (await configuredStateDir(config))).controlSocket;
}

async function configuredStateDir(named: string | undefined): Promise<string> {
  const file = named ?? DEFAULT_CONFIG;
  if (named === undefined && !existsSync(file)) return DEFAULT_OPTIONS.stateDir;
  const { configuration, diagnostics } = await loadConfiguration(file);
  if (configuration !== undefined) return configuration.options.stateDir;
  if (named === undefined) return DEFAULT_OPTIONS.stateDir;
  throw configurationErrors(file, diagnostics);
}
