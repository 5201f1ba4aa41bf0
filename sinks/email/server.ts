/** The mail server of a section, with what files say of it. */
import { isIP } from 'node:net';
import { isLoopback } from '../../config/sink-values.js';
import { PosternError } from '../../src/errors.js';
import { readSecretFile, refuseFile } from '../secret-file.js';
import type { EmailSettings } from '../settings.js';
import { loadTrust } from '../trust.js';
import type { Server } from './submit.js';

/**
 * @throws PosternError POSTERN_E_SINK with path and remedy, which quotes no password: when a file
 *   cannot be used or trusted (T8), or the settings would send something in the clear
 */
export async function loadServer(settings: EmailSettings, of: string): Promise<Server> {
  const { host, port, tls, caFile, user, passwordFile } = settings;
  // A name is looked at whenever it is resolved.
  if (tls === 'off' && isIP(host) !== 0 && !isLoopback(host)) {
    const remedy = 'write tls = starttls, or implicit';
    throw new PosternError('POSTERN_E_SINK', `${of}: ${host} is not this host alone: ${remedy}`);
  }
  if ((user === undefined) !== (passwordFile === undefined))
    throw new PosternError('POSTERN_E_SINK', `${of}: give user and password_file, or none of them`);
  return {
    host,
    port,
    tls,
    ...(tls !== 'off' && { secureContext: await loadTrust(caFile, of) }),
    ...(user !== undefined &&
      passwordFile !== undefined && {
        auth: { user, password: await readPassword(passwordFile, of) },
      }),
  };
}

/** The file holds the password and nothing else; the end of its line is none of it. */
async function readPassword(path: string, of: string): Promise<string> {
  const password = (await readSecretFile(path, of)).replace(/\r?\n$/, '');
  if (password === '') throw refuseFile(path, of, 'is empty, and must hold the password');
  if (/[\r\n\0]/.test(password)) throw refuseFile(path, of, 'must hold one line, the password');
  return password;
}
