/** Where a shared Redis is, with what files say of it: its password and its certificates. */
import { isUtf8 } from 'node:buffer';
import { X509Certificate } from 'node:crypto';
import type { Stats } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { readTrusted } from '../../config/trusted-file.js';
import { PosternError, reasonOf } from '../errors.js';
import type { RedisTarget, RedisTls } from './connect.js';
import { parseRedisUrl, type RedisAddress } from './url.js';

/** Room for all the authorities that a system trusts (Debian's are 220 kB). */
const MAX_BYTES = 1_048_576;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

/** Paths, as an operator gives them (`redis`, `redis_password_file`, `redis_ca_file` …). */
export interface RedisFiles {
  readonly url: string;
  readonly passwordFile?: string | undefined;
  /** PEM: who signs the server's certificate. Absent: those whom Node trusts. */
  readonly caFile?: string | undefined;
  /** PEM: our own certificate, with those in between if there are any. */
  readonly certFile?: string | undefined;
  /** PEM: the key of `certFile`, without a passphrase. */
  readonly keyFile?: string | undefined;
}

type TargetWithUrl = Extract<RedisTarget, { readonly url: string }>;

/**
 * Reads the files that belong to a URL of Redis. Password and key may be read by nobody but their
 * owner, who is root or we ourselves; of a file of root's, its group may read as well (as
 * PostgreSQL has it, for Debian's `ssl-cert`).
 *
 * Throws POSTERN_E_REDIS with path and remedy when a file cannot be trusted (T8) or used, or when
 * what is given does not go together; no password is quoted.
 */
export async function loadRedisTarget(files: RedisFiles): Promise<TargetWithUrl> {
  const address = parseRedisUrl(files.url);
  checkTogether(files, address);
  const password =
    files.passwordFile === undefined ? undefined : await readPassword(files.passwordFile);
  if (address.username !== undefined && (password ?? address.password) === undefined) {
    throw refusal('the URL of Redis names a user without a password: give redis_password_file');
  }
  const tls = await readTls(files);
  return {
    url: files.url,
    ...(password !== undefined && { password }),
    ...(tls !== undefined && { tls }),
  };
}

function checkTogether(files: RedisFiles, address: RedisAddress): void {
  if (files.passwordFile !== undefined && address.password !== undefined) {
    throw refusal('Redis has a password in its URL and another in a file: keep the file');
  }
  const ofTls = [files.caFile, files.certFile, files.keyFile].some((file) => file !== undefined);
  if (ofTls && (address.kind === 'socket' || !address.tls)) {
    throw refusal('certificates are given and the URL of Redis is not TLS: write rediss://');
  }
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    throw refusal('a certificate and its key belong together: give both or none');
  }
}

async function readPassword(path: string): Promise<string> {
  const content = await readSecret('the password of Redis', path);
  if (!isUtf8(content)) throw refusal(`the password of Redis, ${path}, is no text in UTF-8`);
  const password = content.toString('utf8').replace(/\r?\n$/, '');
  if (password === '') throw refusal(`the password of Redis, ${path}, is empty`);
  if (/[\r\n]/.test(password)) {
    throw refusal(`the password of Redis, ${path}, has more than one line`);
  }
  return password;
}

async function readTls({ caFile, certFile, keyFile }: RedisFiles): Promise<RedisTls | undefined> {
  const ca = caFile === undefined ? undefined : await readCertificates(caFile);
  const cert = certFile === undefined ? undefined : await readCertificates(certFile);
  const key =
    keyFile === undefined
      ? undefined
      : (await readSecret('the key of a certificate', keyFile)).toString('latin1');
  if (ca === undefined && cert === undefined) return undefined;
  const tls: RedisTls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    const names = [caFile, certFile, keyFile].filter((name) => name !== undefined).join(', ');
    throw refusal(`${names} cannot be used for TLS: ${reasonOf(error)}`);
  }
  return tls;
}

async function readCertificates(path: string): Promise<string> {
  const read = await readTrusted(path, MAX_BYTES);
  if ('problem' in read) throw refusal(`the certificate ${path} ${read.problem}`);
  const text = read.content.toString('latin1');
  const certificates = text.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) throw refusal(`${path} holds no certificate in PEM`);
  // OpenSSL passes over one that it cannot read, and would trust fewer than were given.
  for (const [index, certificate] of certificates.entries()) {
    if (!isCertificate(certificate)) {
      throw refusal(`${path}: certificate ${index + 1} of ${certificates.length} is damaged`);
    }
  }
  return text;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false; // what OpenSSL says of it helps nobody
  }
}

async function readSecret(what: string, path: string): Promise<Buffer> {
  const read = await readTrusted(path, MAX_BYTES);
  if ('problem' in read) throw refusal(`${what}, ${path}, ${read.problem}`);
  if (isOpen(read.stats)) {
    throw refusal(`${what}, ${path}, can be read by others: chmod 600 it if nobody has read it`);
  }
  return read.content;
}

function isOpen({ mode, uid }: Stats): boolean {
  return (mode & (uid === 0 ? 0o007 : 0o077)) !== 0;
}

function refusal(message: string): PosternError {
  return new PosternError('POSTERN_E_REDIS', message);
}
