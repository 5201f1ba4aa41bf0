/** What `postern run` says first: which doors, on what, and how to knock on them. */
import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { escapeControls } from '../../config/diagnostics.js';
import { DEFAULT_OPTIONS } from '../../config/options.js';
import type { Configuration, Door } from '../../config/types.js';
import { ANY } from '../capture/link.js';
import { packageVersion } from '../client/version.js';

/** The ports of the shipped example may be shown, those of a user's own file never (DESIGN 9). */
export async function firstScreen(
  configuration: Configuration,
  interfaces: readonly string[],
  stateDir: string,
): Promise<string> {
  const isExample = await isShippedExample(configuration.file);
  const address = addressOf(interfaces);
  const folder = stateDir === DEFAULT_OPTIONS.stateDir ? '' : ` --state-dir ${stateDir}`;
  const lines = [
    `postern ${packageVersion()} on ${configuration.options.host ?? hostname()}, doors of ${configuration.file}`,
    ...configuration.doors.map((door) => `  [${door.name}] ${describe(door)}`),
    ...(configuration.doors.length === 0 ? ['  no doors: nothing can be opened'] : []),
    'Knock from another machine (any knock client will do):',
    ...configuration.doors
      .slice(0, isExample ? 1 : 0)
      .map((door) => `  postern knock ${address} ${portsOf(door)}`),
    ...(isExample ? [] : [`  postern knock ${address} PORT PORT PORT…`]),
    `What is open:  ${calledAs()} status${folder}`,
    `What happened: ${calledAs()} events${folder}`,
    'Stop: Ctrl-C',
  ];
  return lines.map(escapeControls).join('\n');
}

/** As it is on the PATH when installed or linked (a unit of systemd's is), or as a clone has it. */
function calledAs(): string {
  const program = process.argv[1] ?? '';
  const isInstalled = basename(program) === 'postern' || process.env['INVOCATION_ID'] !== undefined;
  if (isInstalled) return 'postern';
  const below = relative(process.cwd(), program);
  // Seen from / it would read as if it were below whatever folder the reader is in.
  return `node ${process.cwd() === '/' || below.startsWith('..') ? program : below}`;
}

function describe(door: Door): string {
  const { sequence, seqTimeoutMs, stopCommand, cmdTimeoutMs, allow, sinks } = door;
  const knocks =
    sequence.kind === 'fixed' ? `${sequence.knocks.length} knocks` : 'one-time sequences';
  const open =
    stopCommand === undefined && allow.length === 0 && sinks.length === 0
      ? 'no stop command'
      : `closes after ${cmdTimeoutMs / 1000} s`;
  return `${knocks} within ${seqTimeoutMs / 1000} s, ${open}`;
}

function portsOf({ sequence }: Door): string {
  if (sequence.kind !== 'fixed') return 'PORT PORT PORT…';
  return sequence.knocks
    .map(({ port, protocol }) => (protocol === 'udp' ? `${port}:udp` : `${port}`))
    .join(' ');
}

function addressOf(interfaces: readonly string[]): string {
  const all = networkInterfaces();
  const names = interfaces.includes(ANY) ? Object.keys(all) : interfaces;
  const infos = names.flatMap((name) => all[name] ?? []).filter(({ internal }) => !internal);
  return infos.find(({ family }) => family === 'IPv4')?.address ?? infos[0]?.address ?? 'HOST';
}

/** Whether the file is, byte for byte, the example that postern ships. */
async function isShippedExample(file: string): Promise<boolean> {
  // Compiled or not, the project's folder is the one with the package.json.
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (folder === dirname(folder)) return false;
    const example = await readFile(join(folder, 'config/knockd.conf')).catch(() => undefined);
    if (example !== undefined) return example.equals(await readFile(file));
  }
}
