/** A certificate authority for one test, made with openssl in a folder of the test's. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RedisTls } from '../../src/redis/connect.js';

const run = promisify(execFile);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Paths of PEM files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export class Authority implements Pair {
  readonly cert: string;
  readonly key: string;

  private constructor(private readonly dir: string) {
    this.cert = join(dir, 'ca.crt');
    this.key = join(dir, 'ca.key');
  }

  static async create(dir: string): Promise<Authority> {
    await mkdir(dir, { mode: 0o700 });
    const authority = new Authority(dir);
    const { cert, key } = authority;
    const subject = ['-subj', '/CN=an authority of a test', '-days', '2'];
    await run('openssl', ['req', '-x509', ...NEW_KEY, '-keyout', key, '-out', cert, ...subject]);
    return authority;
  }

  /** A certificate for names such as `DNS:localhost`; over since yesterday with `days` of -1. */
  async sign(name: string, subjectAltName: string, days = 2): Promise<Pair> {
    const [cert, key, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((ending) =>
      join(this.dir, `${name}.${ending}`),
    );
    if (!cert || !key || !request || !extensions) throw new Error('four names');
    await writeFile(extensions, `subjectAltName=${subjectAltName}`);
    const wanted = ['-keyout', key, '-out', request, '-subj', `/CN=${name}`];
    await run('openssl', ['req', ...NEW_KEY, ...wanted]);
    const by = ['-CA', this.cert, '-CAkey', this.key, '-CAcreateserial', '-days', `${days}`];
    const files = ['-in', request, '-out', cert, '-extfile', extensions];
    await run('openssl', ['x509', '-req', ...files, ...by]);
    return { cert, key };
  }

  /** What a client takes that trusts this authority, with a certificate of its own if it has one. */
  async trusted(client?: Pair): Promise<RedisTls> {
    const ca = await readFile(this.cert, 'utf8');
    if (client === undefined) return { ca };
    const [cert, key] = [client.cert, client.key].map((path) => readFile(path, 'utf8'));
    return { ca, cert: (await cert) ?? '', key: (await key) ?? '' };
  }
}
