import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternError, reasonOf } from '../errors.js';

const KEY_BYTES = 32;

/** Held as a KeyObject, which prints nothing of itself. */
export type JournalKey = KeyObject;

/**
 * The key that authenticates events: `state_dir/journal.key`, 32 random bytes, mode 0600, made on
 * first start (DESIGN 8).
 *
 * Throws POSTERN_E_KEY when group or others can read it, it belongs to somebody else, it is no
 * plain file of 32 bytes, or it cannot be made (T8).
 */
export async function loadKey(stateDir: string): Promise<JournalKey> {
  const path = join(stateDir, 'journal.key');
  try {
    return (await readKey(path)) ?? (await makeKey(path));
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw refusal(path, reasonOf(error), error);
  }
}

/**
 * HMAC-SHA256 of a text, base64url. Digests for one purpose say nothing about another's, even of
 * the same text. `purpose` is a plain word.
 */
export function digest(key: JournalKey, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\0`).update(text).digest('base64url');
}

async function readKey(path: string): Promise<JournalKey | undefined> {
  const file = await openExisting(path);
  if (file === undefined) return undefined;
  try {
    await checkKeyFile(path, file);
    const buffer = Buffer.alloc(KEY_BYTES);
    await file.read(buffer, 0, KEY_BYTES, 0);
    return createSecretKey(buffer);
  } finally {
    await file.close();
  }
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    // O_NONBLOCK: a named pipe in its place must not hang the start.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ELOOP') throw refusal(path, 'is a symbolic link', error);
    throw error;
  }
}

async function checkKeyFile(path: string, file: FileHandle): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw refusal(path, 'is no plain file');
  if (stats.uid !== process.geteuid?.()) throw refusal(path, `belongs to uid ${stats.uid}`);
  if ((stats.mode & 0o077) !== 0) {
    throw refusal(path, 'is open to group or others: chmod 600 it if nobody can have read it');
  }
  if (stats.size !== KEY_BYTES) {
    throw refusal(path, `has ${stats.size} bytes and a key has ${KEY_BYTES}: restore it`);
  }
}

/** Complete or not there at all: written and synced under another name, then linked. */
async function makeKey(path: string): Promise<JournalKey> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(randomBytes(KEY_BYTES));
    await file.sync();
    // link, unlike rename, never replaces the key that somebody else made meanwhile.
    await link(draft, path).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  } finally {
    await file.close();
    await unlink(draft);
  }
  await syncFolder(join(path, '..'));
  const key = await readKey(path);
  if (key === undefined) throw refusal(path, 'vanished while it was made');
  return key;
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function refusal(path: string, why: string, cause?: unknown): PosternError {
  return new PosternError('POSTERN_E_KEY', `the key of the journal, ${path}, ${why}`, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
