/**
 * Files that hold a key: read only when nobody else can have read or changed them (T8), and made
 * complete or not at all.
 */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PosternError, reasonOf } from './errors.js';

export interface SecretFile {
  readonly path: string;
  /** What messages call it: `the key of the journal`. */
  readonly what: string;
  /** Whether it may belong to root as well as to us. */
  readonly rootMayOwn: boolean;
  readonly maxBytes: number;
}

/**
 * The whole file; undefined when there is none.
 * @throws PosternError POSTERN_E_KEY when group or others have any right to it, it belongs to
 *   somebody else, it is a link or no plain file, is too large, or cannot be read
 */
export async function readSecret(secret: SecretFile): Promise<Buffer | undefined> {
  try {
    const file = await openExisting(secret);
    if (file === undefined) return undefined;
    try {
      check(secret, await file.stat());
      return await readAll(secret, file);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw asRefusal(secret, error);
  }
}

/**
 * Makes the file, mode 0600, if there is none; false when something is there already.
 * @throws PosternError POSTERN_E_KEY when it cannot be made
 */
export async function createSecret(secret: SecretFile, content: string | Buffer): Promise<boolean> {
  try {
    // link, unlike rename, never replaces what somebody else made meanwhile.
    await viaDraft(secret.path, content, (draft) => link(draft, secret.path));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw asRefusal(secret, error);
  }
}

/**
 * Puts other content in the place of a file that was read, at once; its owner stays.
 * @throws PosternError POSTERN_E_KEY when it cannot be written; it then holds what it held
 */
export async function replaceSecret(secret: SecretFile, content: string): Promise<void> {
  try {
    const old = await openExisting(secret);
    const stats = await old?.stat().finally(() => old.close());
    await viaDraft(secret.path, content, (draft) => rename(draft, secret.path), stats);
  } catch (error) {
    throw asRefusal(secret, error);
  }
}

/** What is wrong with the file, and what to do, with its name before it. */
export function refusal({ what, path }: SecretFile, why: string, cause?: unknown): PosternError {
  return new PosternError('POSTERN_E_KEY', `${what}, ${path}, ${why}`, { cause });
}

function asRefusal(secret: SecretFile, error: unknown): PosternError {
  if (error instanceof PosternError) return error;
  if (codeOf(error) === 'EACCES') {
    const who = `uid ${process.geteuid?.()}`;
    return refusal(secret, `is out of reach of ${who}: chown it, or run this as its owner`, error);
  }
  return refusal(secret, reasonOf(error), error);
}

async function openExisting(secret: SecretFile): Promise<FileHandle | undefined> {
  try {
    // O_NONBLOCK: a named pipe in its place must not hang the start.
    return await open(
      secret.path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ELOOP')
      throw refusal(secret, 'is a symbolic link: put the file itself there', error);
    throw error;
  }
}

function check(secret: SecretFile, stats: Stats): void {
  if (!stats.isFile()) throw refusal(secret, 'is no plain file');
  const own = process.geteuid?.();
  if (stats.uid !== own && !(secret.rootMayOwn && stats.uid === 0))
    throw refusal(
      secret,
      `belongs to uid ${stats.uid}, and this runs as uid ${own}: chown it, or run this as its owner`,
    );
  if ((stats.mode & 0o077) !== 0)
    throw refusal(secret, 'is open to group or others: chmod 600 it if nobody can have read it');
}

async function readAll(secret: SecretFile, file: FileHandle): Promise<Buffer> {
  // One more than it may have, so that what is too large shows; it may still grow as it is read.
  const buffer = Buffer.alloc(secret.maxBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  if (length > secret.maxBytes) throw refusal(secret, `is larger than ${secret.maxBytes} bytes`);
  return buffer.subarray(0, length);
}

/** Written and synced under another name, then put in place by `place`, which takes the draft. */
async function viaDraft(
  path: string,
  content: string | Buffer,
  place: (draft: string) => Promise<void>,
  owner?: Stats,
): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(content);
    if (owner !== undefined && owner.uid !== process.geteuid?.())
      await file.chown(owner.uid, owner.gid);
    await file.sync();
    await place(draft);
  } finally {
    await file.close();
    // Not there any more if it was renamed.
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(path));
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
