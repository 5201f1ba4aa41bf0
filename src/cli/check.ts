/** `postern check FILE`: everything that is wrong or odd about a configuration, one line each. */
import { readdir } from 'node:fs/promises';
import { escapeControls, hasErrors, renderDiagnostic } from '../../config/diagnostics.js';
import { loadConfiguration } from '../../config/load.js';
import { inOrder } from '../../config/parse.js';
import type { Diagnostic } from '../../config/types.js';
import { configurationWarnings, type HostFacts } from '../../config/warnings.js';
import { checkFirewall } from '../firewall/index.js';
import { checkCluster } from './check-cluster.js';
import { checkSinks } from './check-sinks.js';

export interface CheckOptions {
  readonly stdout: { write(text: string): unknown };
  /** Without it, knocks on ports that something listens on are not warned of. */
  readonly isListening?: NonNullable<HostFacts['isListening']>;
}

/**
 * Looks at the file, where a door allows something at this host's firewall, and at the files that
 * sinks and a cluster take. Prints each finding as `FILE:LINE:COLUMN: error|warning: message [CODE]` and a
 * summary; never a port of a sequence. Gives the exit code: 1 if the file would not load, else 0.
 */
export async function checkFile(file: string, options: CheckOptions): Promise<number> {
  const { stdout, isListening } = options;
  const { configuration, diagnostics, places } = await loadConfiguration(file);
  const interfaces = await interfaceNames();
  const host = { interfaces, ...(isListening && { isListening }) };
  const warnings = configuration ? configurationWarnings(configuration, places, host) : [];
  const firewall = configuration ? await checkFirewall(configuration) : [];
  const cluster = configuration && (await checkCluster(configuration, places));
  const sinks = configuration && (await checkSinks(configuration));
  const ofFiles = [...(cluster?.diagnostics ?? []), ...(sinks?.diagnostics ?? [])];
  const all = [
    ...inOrder([...diagnostics.filter(isAbout(file)), ...warnings, ...firewall, ...ofFiles]),
    ...diagnostics.filter((diagnostic) => !isAbout(file)(diagnostic)),
  ];
  for (const diagnostic of all) stdout.write(`${renderDiagnostic(diagnostic)}\n`);
  for (const note of [...(cluster?.notes ?? []), ...(sinks?.notes ?? [])])
    stdout.write(`${escapeControls(note)}\n`);
  stdout.write(`${escapeControls(summary(file, configuration?.doors.length, all))}\n`);
  return hasErrors(all) ? 1 : 0;
}

/** Findings about one-time sequence files come behind those about the configuration itself. */
function isAbout(file: string): (diagnostic: Diagnostic) => boolean {
  return (diagnostic) => diagnostic.file === file;
}

async function interfaceNames(): Promise<readonly string[]> {
  return readdir('/sys/class/net');
}

function summary(file: string, doors: number | undefined, all: readonly Diagnostic[]): string {
  const errors = all.filter(({ severity }) => severity === 'error').length;
  const found = `${count(errors, 'error')}, ${count(all.length - errors, 'warning')}`;
  return doors === undefined
    ? `${file}: not loaded: ${found}`
    : `${file}: ${count(doors, 'door')}: ${found}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
