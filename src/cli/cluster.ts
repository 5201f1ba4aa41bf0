/** `postern cluster …`: the key that its hosts share, and hosts that will not come back. */
import { dirname, resolve } from 'node:path';
import { escapeControls } from '../../config/diagnostics.js';
import { DEFAULT_OPTIONS } from '../../config/options.js';
import { createClusterKey, fingerprint, loadClusterKeys } from '../cluster/keys.js';
import { type RotationStep, rotateClusterKey } from '../cluster/rotation.js';
import type { ClusterKeys } from '../cluster/types.js';
import { ask } from '../control/client.js';
import { PosternError } from '../errors.js';

/** @throws PosternError POSTERN_E_KEY when the file is there already, or cannot be made */
export async function runClusterInit(file: string): Promise<void> {
  const path = resolve(file);
  const print = fingerprint(await createClusterKey(path));
  const option =
    path === DEFAULT_OPTIONS.clusterKeyFile ? [] : [`  cluster_key_file = ${shown(path)}`];
  say([
    `${shown(path)}: made, with the key ${print}`,
    '',
    "Take it to each other host, over ssh, to a folder that is root's alone:",
    `  ssh root@HOST install -d -m 700 ${quotedForShell(dirname(path))}`,
    copyCommand(path),
    `  ssh root@HOST postern cluster key ${fileWord(path)}`.trimEnd(),
    `which must say ${print} there too. The user that runs postern must own both: root, or for`,
    `postern-nft.service postern (chown -R postern ${quotedForShell(dirname(path))}).`,
    '',
    "In [options] of each host's configuration:",
    '  cluster          = NAME               the same on each',
    "  host             = NAME               its own; without this line the system's",
    '  redis            = redis://HOST:6379  the Redis that they share',
    ...option,
    '',
    'Then `postern check` and start postern on each; `postern status` shows the cluster.',
  ]);
}

/** @throws PosternError POSTERN_E_KEY when the file is refused, or another step comes first */
export async function runClusterRotate(step: RotationStep, file: string): Promise<void> {
  const path = resolve(file);
  const keys = await rotateClusterKey(path, step);
  say([...keyLines(path, keys), '', ...NEXT[step](path, fingerprint(keys.signing))]);
}

/** @throws PosternError POSTERN_E_KEY when there is no such file, or it is refused */
export async function runClusterKey(file: string): Promise<void> {
  const path = resolve(file);
  say(keyLines(path, await loadClusterKeys(path)));
}

/** @throws PosternError POSTERN_E_CONTROL when nobody answers, or the host cannot be forgotten */
export async function runClusterForget(socket: string, host: string): Promise<void> {
  for await (const reply of ask(socket, { command: 'forget', host })) {
    if (!('forgotten' in reply)) continue;
    say([`${reply.forgotten} is forgotten; it is shown again if it comes back`]);
    return;
  }
  throw new PosternError('POSTERN_E_CONTROL', 'postern ended before it answered; ask again');
}

/** What is to be done after each step, before the next one. */
const NEXT: Readonly<Record<RotationStep, (path: string, signing: string) => readonly string[]>> = {
  add: (path) => [
    'Step 1 of 3: the new key is accepted. Take the file to every other host, in any order:',
    ...spread(path),
    'When `postern cluster key` shows both keys on every host, go on here with',
    `  postern cluster rotate use ${fileWord(path)}`.trimEnd(),
  ],
  use: (path, signing) => [
    'Step 2 of 3: the new key signs. Take the file to every other host, in any order:',
    ...spread(path),
    `When \`postern cluster key\` says on every host that ${signing} signs, and what was open before`,
    'is closed (`postern status`), go on here with',
    `  postern cluster rotate drop ${fileWord(path)}`.trimEnd(),
  ],
  drop: (path) => [
    'Step 3 of 3: the old key is dropped. Take the file to every other host, in any order:',
    ...spread(path),
    'A host that is left out goes on accepting the old key.',
  ],
};

function spread(path: string): readonly string[] {
  return [copyCommand(path), '  ssh root@HOST postern reload', 'and here:', '  postern reload'];
}

function copyCommand(path: string): string {
  const quoted = quotedForShell(path);
  return `  scp -p ${quoted} root@HOST:${quoted}`;
}

function keyLines(path: string, { signing, all }: ClusterKeys): readonly string[] {
  const lines = all.map(
    (key) => `  ${fingerprint(key)}  ${key === signing ? 'signs' : 'accepted'}`,
  );
  return [shown(path), ...lines];
}

/** The argument that names the file; none for the default one. */
function fileWord(path: string): string {
  return path === DEFAULT_OPTIONS.clusterKeyFile ? '' : quotedForShell(path);
}

function quotedForShell(path: string): string {
  return /^[\w./@%+-]+$/.test(path) ? path : `'${shown(path).replaceAll("'", "'\\''")}'`;
}

function shown(path: string): string {
  return escapeControls(path);
}

function say(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
