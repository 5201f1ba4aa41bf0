/**
 * The keys that authenticate what hosts of a cluster tell each other: a text file, one key a line,
 * `postern-cluster-key:` and 32 bytes as base64url. `#` begins a comment. One key, or two while a
 * new one is rolled out; the first signs.
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { digest, type JournalKey } from '../journal/key.js';
import { createSecret, readSecret, refusal, type SecretFile } from '../secret-file.js';
import type { ClusterKeys } from './types.js';

const KEY_BYTES = 32;
const WORD = 'postern-cluster-key:';
const MOST_KEYS = 2;

const HEADER = '# Whoever has this file can open the doors of the cluster. Keep it at 0600.\n';

/** Where a rotation is, as the comment above the second key says; a file made by hand has none. */
const SECOND_KEYS = {
  next: '# The next key: accepted, does not sign yet.\n',
  former: '# The former key: accepted still, signs no more.\n',
} as const;

export type SecondKey = keyof typeof SECOND_KEYS;

/** The file as those see it who read it and write it. */
export function clusterKeyFile(path: string): SecretFile {
  return { path, what: "the cluster's key file", rootMayOwn: true, maxBytes: 64 * 1024 };
}

/**
 * Reads the keys.
 * @throws PosternError POSTERN_E_KEY, with path, line and remedy, when there is no such file, group
 *   or others have any right to it, neither root nor we own it, it is a link or no plain file, or it
 *   does not hold one or two different keys (T8)
 */
export async function loadClusterKeys(path: string): Promise<ClusterKeys> {
  return (await readClusterKeyFile(clusterKeyFile(path))).keys;
}

/** The keys, and the text they stand in; throws as `loadClusterKeys` does. */
export async function readClusterKeyFile(
  file: SecretFile,
): Promise<{ readonly keys: ClusterKeys; readonly text: string }> {
  const content = await readSecret(file);
  if (content === undefined)
    throw refusal(
      file,
      'does not exist: copy it from a host of the cluster, or make it by `postern cluster init`',
    );
  const text = content.toString('utf8');
  return { keys: keysOf(file, text), text };
}

/**
 * Makes the file with a new key, mode 0600, and its folder if there is none, mode 0700.
 * @throws PosternError POSTERN_E_KEY when something is there already, or it cannot be made
 */
export async function createClusterKey(path: string): Promise<JournalKey> {
  const file = clusterKeyFile(path);
  const key = newClusterKey();
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw refusal(file, 'cannot be made: there is no folder for it, and none can be made', error);
  }
  if (!(await createSecret(file, clusterKeysText([key]))))
    throw refusal(
      file,
      'is there already, and a key in use is never replaced: see `postern cluster rotate`',
    );
  return key;
}

export function newClusterKey(): JournalKey {
  return createSecretKey(randomBytes(KEY_BYTES));
}

/** The content of a key file; the first key signs. */
export function clusterKeysText(keys: readonly JournalKey[], second?: SecondKey): string {
  const lines = keys.map((key) => `${WORD}${key.export().toString('base64url')}\n`);
  return `${HEADER}${lines.join(second === undefined ? '' : SECOND_KEYS[second])}`;
}

/** What a comment of the file says of its second key. */
export function secondKeyIn(text: string): SecondKey | undefined {
  if (text.includes(SECOND_KEYS.next.trim())) return 'next';
  return text.includes(SECOND_KEYS.former.trim()) ? 'former' : undefined;
}

/** Eight characters that tell keys apart by eye, and say nothing about the key. */
export function fingerprint(key: JournalKey): string {
  const bytes = Buffer.from(digest(key, 'fingerprint', 'cluster'), 'base64url');
  return bytes.toString('hex').slice(0, 8);
}

/** No message holds anything of the file's content. */
function keysOf(file: SecretFile, text: string): ClusterKeys {
  const keys: JournalKey[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const written = line.trim();
    if (written === '' || written.startsWith('#')) continue;
    const key = keyOf(written);
    const place = `line ${index + 1}`;
    if (key === undefined)
      throw refusal(
        file,
        `${place}, is no key (${WORD} and 43 characters): copy it from another host`,
      );
    if (keys.some((other) => other.equals(key)))
      throw refusal(file, `${place}, holds the same key twice: remove that line`);
    if (keys.length === MOST_KEYS)
      throw refusal(file, `${place}, holds a third key: remove the oldest, two are accepted`);
    keys.push(key);
  }
  const [signing] = keys;
  if (signing === undefined)
    throw refusal(file, 'holds no key: copy it from a host of the cluster');
  return { signing, all: keys };
}

function keyOf(line: string): JournalKey | undefined {
  if (!line.startsWith(WORD)) return undefined;
  const text = line.slice(WORD.length);
  const bytes = Buffer.from(text, 'base64url');
  // Node skips what is no base64url, and bits behind the last byte: one key has one spelling.
  const isExact = bytes.length === KEY_BYTES && bytes.toString('base64url') === text;
  return isExact ? createSecretKey(bytes) : undefined;
}
