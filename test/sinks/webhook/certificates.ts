import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../support/run.js';

export interface Certificates {
  /** What the receiver's certificate is signed by. */
  readonly caFile: string;
  /** A CA that signed nothing. */
  readonly otherCaFile: string;
  /** Of `receiver.test` and 127.0.0.1. */
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** Makes them by openssl(1) in a folder. */
export async function makeCertificates(dir: string): Promise<Certificates> {
  const at = (name: string) => join(dir, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...argv: string[]) => mustRun(['openssl', 'req', ...key, '-days', '2', ...argv]);
  for (const name of ['ca', 'other'])
    await openssl('-x509', '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(name));
  await openssl(
    ...['-x509', '-CA', at('ca'), '-CAkey', at('ca.key'), '-subj', '/CN=receiver'],
    ...['-addext', 'subjectAltName=DNS:receiver.test,IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', at('key'), '-out', at('cert')],
  );
  return {
    caFile: at('ca'),
    otherCaFile: at('other'),
    key: await readFile(at('key')),
    cert: await readFile(at('cert')),
  };
}
