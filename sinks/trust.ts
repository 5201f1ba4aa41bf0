/** Whose certificates a sink trusts. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { readTrusted } from '../config/trusted-file.js';
import { reasonOf } from '../src/errors.js';
import { refuseFile } from './secret-file.js';

const MAX_BYTES = 4 * 1024 * 1024;

/** Where Debian, Fedora and Alpine keep what the administrator of a host trusts. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

/**
 * Trusts the certificates of a file and no others; without one, those of the system, and on a system
 * that has none, those that Node brings.
 * @throws PosternError POSTERN_E_SINK when the file cannot be read, others can change it (T8), or it
 *   is not all certificates
 */
export async function loadTrust(caFile: string | undefined, of: string): Promise<SecureContext> {
  const ca = caFile === undefined ? await systemCertificates() : await certificates(caFile, of);
  return createSecureContext(ca === undefined ? {} : { ca });
}

async function systemCertificates(): Promise<string | undefined> {
  for (const path of SYSTEM_FILES) {
    const read = await readTrusted(path, MAX_BYTES);
    if ('content' in read) return read.content.toString();
  }
  return undefined;
}

async function certificates(path: string, of: string): Promise<string[]> {
  const refuse = (why: string) => refuseFile(path, of, why);
  const read = await readTrusted(path, MAX_BYTES);
  if ('problem' in read) throw refuse(read.problem);
  const blocks = read.content
    .toString()
    .match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  // OpenSSL would take a file without any for "trust nobody", and say so at the first delivery.
  if (blocks === null)
    throw refuse('holds no certificate in PEM; of one in DER: openssl x509 -inform der -in FILE');
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch (error) {
      throw refuse(`has a damaged certificate, number ${index + 1}: ${reasonOf(error)}`);
    }
  }
  return blocks;
}
