import type { Stats } from 'node:fs';
import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PosternError, reasonOf } from '../errors.js';

/** `sockaddr_un.sun_path` holds 108 bytes with its NUL, and redis-server cuts a longer one. */
const SOCKET_PATH_MAX_BYTES = 107;

/** Where one private redis-server keeps what is its own. */
export interface RedisFolder {
  readonly dir: string;
  readonly socket: string;
  /** Locked by the running server itself, so that the lock ends with it. */
  readonly lock: string;
}

/**
 * Makes the folder of a private redis-server, or takes the one that is there: a real folder, ours
 * alone, mode 0700 (DESIGN 10). Throws POSTERN_E_STATE_DIR when it is a symbolic link, belongs to
 * somebody else, or its path is too long for a unix socket.
 */
export async function prepareRedisFolder(path: string): Promise<RedisFolder> {
  const dir = resolve(path);
  const socket = join(dir, 'redis.sock');
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_MAX_BYTES) {
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `${socket} is ${bytes} bytes long and a unix socket's path may have ${SOCKET_PATH_MAX_BYTES}: ` +
        'choose a shorter state_dir',
    );
  }
  const stats = await makeFolder(dir);
  if (!stats.isDirectory()) {
    const what = stats.isSymbolicLink() ? 'a symbolic link' : 'not a folder';
    throw new PosternError('POSTERN_E_STATE_DIR', `${dir} is ${what}: give a real folder`);
  }
  if (stats.uid !== process.geteuid?.()) {
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `${dir} belongs to uid ${stats.uid}: give a folder that belongs to who runs postern`,
    );
  }
  if ((stats.mode & 0o777) !== 0o700) await chmod(dir, 0o700);
  return { dir, socket, lock: join(dir, 'redis.lock') };
}

async function makeFolder(dir: string): Promise<Stats> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return await lstat(dir);
  } catch (error) {
    // mkdir says EEXIST where something that is no folder stands in the way.
    const there = await lstat(dir).catch(() => undefined);
    if (there) return there;
    throw new PosternError('POSTERN_E_STATE_DIR', `${dir} cannot be made: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
