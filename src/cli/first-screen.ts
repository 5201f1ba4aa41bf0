/** What `postern run` says first: which doors, on what, and how to knock on them. */
import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { escapeControls } from '../../config/diagnostics.js';
import type { Configuration, Door } from '../../config/types.js';
import { ANY } from '../capture/link.js';
import { packageVersion } from '../client/version.js';

/** The ports of the shipped example may be shown, those of a user's own file never (DESIGN 9). */
export async function firstScreen(
  configuration: Configuration,
  interfaces: readonly string[],
): Promise<string> {
  const isExample = await isShippedExample(configuration.file);
  const address = addressOf(interfaces);
  const lines = [
    `postern ${packageVersion()} on ${hostname()}, doors of ${configuration.file}`,
    ...configuration.doors.map((door) => `  [${door.name}] ${describe(door)}`),
    ...(configuration.doors.length === 0 ? ['  no doors: nothing can be opened'] : []),
    'Knock from another machine:',
    ...configuration.doors
      .slice(0, isExample ? 1 : 0)
      .map((door) => `  postern knock ${address} ${portsOf(door)}`),
    ...(isExample
      ? []
      : [`  postern knock ${address} PORT PORT PORT…   (or: knock, nmap, hping3)`]),
    'What is open: postern status   What happened: postern events   Stop: Ctrl-C',
  ];
  return lines.map(escapeControls).join('\n');
}

function describe(door: Door): string {
  const { sequence, seqTimeoutMs, stopCommand, cmdTimeoutMs } = door;
  const knocks =
    sequence.kind === 'fixed' ? `${sequence.knocks.length} knocks` : 'one-time sequences';
  const open =
    stopCommand === undefined ? 'no stop command' : `closes after ${cmdTimeoutMs / 1000} s`;
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
