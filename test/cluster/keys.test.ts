import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  clusterKeysText,
  createClusterKey,
  fingerprint,
  loadClusterKeys,
  newClusterKey,
} from '../../src/cluster/keys.js';
import { makeFolder } from '../support/daemon.js';
import { requireRoot } from '../support/root.js';
import { run } from '../support/run.js';

describe("the cluster's key file", () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await makeFolder();
    path = join(folder, 'cluster.key');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = (content: string | Buffer) => writeFile(path, content, { mode: 0o600 });
  const refused = (message: RegExp) =>
    assert.rejects(loadClusterKeys(path), (error: Error) => {
      assert.deepEqual(
        { ...error, message: undefined, cause: undefined },
        { code: 'POSTERN_E_KEY', name: 'PosternError', message: undefined, cause: undefined },
      );
      assert.match(error.message, message);
      assert.ok(error.message.includes(path), error.message);
      return true;
    });
  const line = (byte: number) =>
    `postern-cluster-key:${Buffer.alloc(32, byte).toString('base64url')}`;

  it('is made with one key, for its owner alone, in a folder for its owner alone', async () => {
    const deep = join(folder, 'etc', 'postern', 'cluster.key');
    const made = await createClusterKey(deep);
    const { signing, all } = await loadClusterKeys(deep);
    assert.ok(signing.equals(made));
    assert.deepEqual(all, [signing]);
    assert.equal((await stat(deep)).mode & 0o7777, 0o600);
    for (const above of ['etc', 'etc/postern'])
      assert.equal((await stat(join(folder, above))).mode & 0o7777, 0o700);
    assert.deepEqual(await readdir(join(folder, 'etc', 'postern')), ['cluster.key']);
  });

  it('is never replaced: of ten that make it at once one has made it, whole', async () => {
    const tried = await Promise.allSettled(
      Array.from({ length: 10 }, () => createClusterKey(path)),
    );
    const made = tried.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.equal(made.length, 1);
    for (const each of tried)
      if (each.status === 'rejected') assert.match(String(each.reason), /is there already/);
    assert.ok((await loadClusterKeys(path)).signing.equals(made[0]!));
    assert.deepEqual(await readdir(folder), ['cluster.key']);
  });

  it('leaves a folder that is there as it is, and what cannot be made is said', async () => {
    await chmod(folder, 0o755);
    await createClusterKey(path);
    assert.equal((await stat(folder)).mode & 0o7777, 0o755);
    await assert.rejects(createClusterKey(join(path, 'below', 'a-file')), {
      code: 'POSTERN_E_KEY',
      message: /cannot be made/,
    });
  });

  it('gives two keys in their order, past comments and blanks', async () => {
    await write(`# ours\n\n  ${line(1)}  \r\n# the next one\n\t${line(2)}`);
    const { signing, all } = await loadClusterKeys(path);
    assert.deepEqual(
      all.map((key) => key.export()),
      [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
    );
    assert.equal(signing, all[0]);
  });

  it('is read back as it was written out', async () => {
    const keys = [newClusterKey(), newClusterKey()];
    await write(clusterKeysText(keys));
    const { all } = await loadClusterKeys(path);
    assert.ok(all.length === 2 && all.every((key, index) => key.equals(keys[index]!)));
  });

  it('is refused when it is missing, and says how to come by one', async () => {
    await refused(/does not exist.*postern cluster init/);
    path = join(folder, 'none', 'cluster.key');
    await refused(/does not exist/);
  });

  it('is refused when group or others have any right to it', async () => {
    await write(line(1));
    for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601]) {
      await chmod(path, mode);
      await refused(/open to group or others: chmod 600/);
    }
    await chmod(path, 0o400);
    await loadClusterKeys(path);
  });

  it('may belong to root or to us, and to nobody else', async function () {
    requireRoot(this); // Only root can give a file away, and become somebody else.
    await write(line(1));
    await chown(path, 1234, 1234);
    await refused(/belongs to uid 1234, and this runs as uid 0: chown it/);
    await chown(path, 65534, 65534);
    await refused(/belongs to uid 65534/);
    assert.ok(process.seteuid);
    await chmod(folder, 0o755);
    process.seteuid(65534);
    try {
      await loadClusterKeys(path);
    } finally {
      process.seteuid(0);
    }
  });

  it('is refused as a symbolic link, a folder, a pipe', async () => {
    await writeFile(join(folder, 'elsewhere'), line(1), { mode: 0o600 });
    await symlink('elsewhere', path);
    await refused(/is a symbolic link/);
    path = join(folder, 'folder');
    await mkdir(path);
    await refused(/is no plain file/);
    path = join(folder, 'pipe');
    await run(['mkfifo', '-m', '600', path]);
    await refused(/is no plain file/);
  });

  it('is refused with other content, by the line that is wrong, and shows nothing of it', async () => {
    const key = line(7);
    const cases: readonly (readonly [string | Buffer, RegExp])[] = [
      ['', /holds no key/],
      ['# nothing\n', /holds no key/],
      [key.slice(0, -1), /line 1, is no key/],
      [`#\n${key}A`, /line 2, is no key/],
      [key.replace('postern', 'Postern'), /line 1, is no key/],
      [key.slice('postern-cluster-key:'.length), /line 1, is no key/],
      // The last character holds two bits that no byte has: another spelling of the same key.
      [`${key.slice(0, -1)}d`, /line 1, is no key/],
      [key.replace('Bwc', 'B+c'), /line 1, is no key/],
      [`${key} # ours`, /line 1, is no key/],
      [`${key}\n${key}\n`, /line 2, holds the same key twice/],
      [`${key}\n${line(8)}\n${line(9)}\n`, /line 3, holds a third key/],
      [Buffer.alloc(32, 7), /line 1, is no key/],
      [Buffer.alloc(100_000, 10), /larger than/],
    ];
    for (const [content, message] of cases) {
      await write(content);
      await refused(message);
      await assert.rejects(loadClusterKeys(path), (error) => !String(error).includes('BwcHBw'));
    }
  });

  it('tells keys apart by eight characters, which are the same each time', () => {
    const keys = Array.from({ length: 50 }, (_, index) => createSecretKey(Buffer.alloc(32, index)));
    const prints = keys.map(fingerprint);
    assert.equal(new Set(prints).size, keys.length);
    assert.deepEqual(keys.map(fingerprint), prints);
    for (const print of prints) assert.match(print, /^[0-9a-f]{8}$/);
  });

  it('shows no key when one is printed', async () => {
    await createClusterKey(path);
    const keys = await loadClusterKeys(path);
    const text = (await readFile(path, 'utf8')).split(':').at(-1)!.trim();
    const shown = inspect(keys, { showHidden: true, depth: 9 }) + JSON.stringify(keys);
    assert.ok(!shown.includes(text));
    assert.ok(!shown.includes(Buffer.from(text, 'base64url').toString('hex')));
  });
});
