/** Files that hold what a sink must keep to itself. */
import { readTrusted } from '../config/trusted-file.js';
import { PosternError } from '../src/errors.js';

const MAX_BYTES = 4096;

/**
 * The text of such a file; `of` says whose it is: `[webhook:ops]`.
 * @throws PosternError POSTERN_E_SINK, which quotes nothing of the file: when it cannot be read, or
 *   when anybody else can read or change it (T8)
 */
export async function readSecretFile(path: string, of: string): Promise<string> {
  const read = await readTrusted(path, MAX_BYTES);
  if ('problem' in read) throw refuseFile(path, of, read.problem);
  if ((read.stats.mode & 0o077) !== 0) {
    const remedy = 'chmod 600 it if nobody can have read the secret';
    throw refuseFile(path, of, `is open to group or others: ${remedy}`);
  }
  return read.content.toString();
}

/** What is wrong with a file of a section. */
export function refuseFile(path: string, of: string, why: string): PosternError {
  return new PosternError('POSTERN_E_SINK', `${of}: ${path} ${why}`);
}
