import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadRedisTarget, type RedisFiles } from '../../src/redis/target.js';
import { Authority, type Pair } from './certificates.js';
import { Scratch } from './support.js';

const URL = 'redis://h';
const TLS_URL = 'rediss://h';

describe('loadRedisTarget', () => {
  const scratch = new Scratch();
  let authority: Authority;
  let pair: Pair;
  before(async () => {
    authority = await Authority.create(join(await scratch.dir(), 'authority'));
    pair = await authority.sign('client', 'DNS:client');
  });
  after(() => scratch.clear());

  async function file(content: string | Buffer, mode = 0o600): Promise<string> {
    const path = join(await scratch.dir(), `file-${Math.random()}`);
    await writeFile(path, content);
    await chmod(path, mode);
    return path;
  }

  async function refuses(files: RedisFiles, message: RegExp): Promise<void> {
    await assert.rejects(loadRedisTarget(files), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'POSTERN_E_REDIS');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n|s3cret/);
      return true;
    });
  }

  it('gives a URL alone as it is', async () => {
    assert.deepEqual(await loadRedisTarget({ url: URL }), { url: URL });
    await refuses({ url: 'redis://:s3cret@h:x' }, /not understood/);
  });

  it('reads a password, without the end of its line alone', async () => {
    for (const [content, password] of [
      ['s3cret', 's3cret'],
      ['s3cret\n', 's3cret'],
      ['s3cret\r\n', 's3cret'],
      [' s3 cret \n', ' s3 cret '],
      ['pä√\n', 'pä√'],
    ] as const) {
      const target = await loadRedisTarget({ url: URL, passwordFile: await file(content) });
      assert.equal(target.password, password);
    }
  });

  it('refuses a password that cannot be one', async () => {
    const password = async (content: string | Buffer) => ({
      url: URL,
      passwordFile: await file(content),
    });
    await refuses(await password(''), /is empty/);
    await refuses(await password('\n'), /is empty/);
    await refuses(await password('s3cret\n\n'), /more than one line/);
    await refuses(await password('s3cret\nb'), /more than one line/);
    await refuses(await password(Buffer.from([0x80, 0x81])), /no text/);
    await refuses({ url: URL, passwordFile: '/nowhere' }, /\/nowhere, does not exist/);
  });

  it('refuses a password in two places, and a user without one', async () => {
    const passwordFile = await file('s3cret');
    await refuses({ url: 'redis://:s3cret@h', passwordFile }, /in its URL and another in a file/);
    await refuses({ url: 'redis://ann@h' }, /user without a password/);
    assert.equal(
      (await loadRedisTarget({ url: 'redis://ann@h', passwordFile })).password,
      's3cret',
    );
  });

  it('refuses a password that others could have read or changed (T8)', async () => {
    for (const mode of [0o604, 0o644, 0o602, 0o620, 0o601]) {
      const passwordFile = await file('s3cret', mode);
      await refuses({ url: URL, passwordFile }, /others|group|everyone/);
    }
    for (const mode of [0o400, 0o600]) {
      await loadRedisTarget({ url: URL, passwordFile: await file('s3cret', mode) });
    }
  });

  it('lets the group read what belongs to root, and refuses what belongs to a third (T8)', async function () {
    if (process.geteuid?.() !== 0) this.skip();
    const passwordFile = await file('s3cret', 0o640);
    await loadRedisTarget({ url: URL, passwordFile });
    await chown(passwordFile, 12_345, 0);
    await refuses({ url: URL, passwordFile }, /belongs to user 12345/);
  });

  it('follows a symbolic link to a file that can be trusted', async () => {
    const link = join(await scratch.dir(), 'link');
    await symlink(await file('s3cret\n'), link);
    assert.equal((await loadRedisTarget({ url: URL, passwordFile: link })).password, 's3cret');
  });

  it('does not wait for a named pipe', async () => {
    const pipe = join(await scratch.dir(), 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    await refuses({ url: URL, passwordFile: pipe }, /not a regular file/);
  });

  it('reads certificates and a key', async () => {
    const files = { url: TLS_URL, caFile: authority.cert, certFile: pair.cert, keyFile: pair.key };
    const target = await loadRedisTarget(files);
    assert.deepEqual(target.tls, {
      ca: await readFile(authority.cert, 'utf8'),
      cert: await readFile(pair.cert, 'utf8'),
      key: await readFile(pair.key, 'utf8'),
    });
    const withoutOwn = await loadRedisTarget({ url: TLS_URL, caFile: authority.cert });
    assert.deepEqual(Object.keys(withoutOwn.tls ?? {}), ['ca']);
  });

  it('refuses certificates that do not go together', async () => {
    const { cert: certFile, key: keyFile } = pair;
    await refuses({ url: TLS_URL, certFile }, /belong together/);
    await refuses({ url: TLS_URL, keyFile }, /belong together/);
    await refuses({ url: TLS_URL, certFile, keyFile: authority.key }, /mismatch/);
    for (const url of [URL, 'unix:/run/a', 'redis+sentinel://h/m']) {
      await refuses({ url, caFile: authority.cert }, /not TLS/);
    }
    await loadRedisTarget({ url: 'rediss+sentinel://h/m', caFile: authority.cert });
  });

  it('refuses what is no certificate or no key', async () => {
    await refuses({ url: TLS_URL, caFile: await file('nothing') }, /no certificate/);
    await refuses({ url: TLS_URL, caFile: pair.key }, /no certificate/);
    const damaged = (await readFile(authority.cert, 'utf8')).replace(/\n.{20}/, '\n@@@@');
    await refuses({ url: TLS_URL, caFile: await file(damaged) }, /certificate 1 of 1 is damaged/);
    const keyFile = await file('nothing');
    await refuses({ url: TLS_URL, certFile: pair.cert, keyFile }, /cannot be used for TLS/);
  });

  it('refuses a key that others could read, and any file that others could change (T8)', async () => {
    const key = await readFile(pair.key);
    const certFile = pair.cert;
    await refuses({ url: TLS_URL, certFile, keyFile: await file(key, 0o644) }, /read by others/);
    await refuses({ url: TLS_URL, certFile, keyFile: await file(key, 0o606) }, /everyone/);
    const caFile = await file(await readFile(authority.cert), 0o666);
    await refuses({ url: TLS_URL, caFile }, /written by/);
  });
});
