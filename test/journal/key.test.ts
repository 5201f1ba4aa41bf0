import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { claimOf } from '../../src/journal/claims.js';
import { digest, loadKey } from '../../src/journal/key.js';
import { Scratch } from '../redis/support.js';
import { requireRoot } from '../support/root.js';

describe('the key of the journal', () => {
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  const file = async () => join(await scratch.dir(), 'journal.key');

  it('is made on first start, 32 bytes that only its owner reads, and stays the same', async () => {
    const first = await loadKey(await scratch.dir());
    const stats = await stat(await file());
    assert.equal(stats.mode & 0o7777, 0o600);
    assert.equal(stats.size, 32);
    assert.deepEqual(await readdir(await scratch.dir()), ['journal.key']);
    assert.ok(first.equals(await loadKey(await scratch.dir())));
  });

  it('is the same for all who make it at the same time', async () => {
    const dir = await scratch.dir();
    const keys = await Promise.all(Array.from({ length: 10 }, () => loadKey(dir)));
    assert.ok(keys.every((key) => keys[0]?.equals(key)));
  });

  it('is refused when group or others have any right to it', async () => {
    const dir = await scratch.dir();
    await loadKey(dir);
    for (const mode of [0o640, 0o604, 0o620, 0o602]) {
      await chmod(await file(), mode);
      await assert.rejects(loadKey(dir), {
        code: 'POSTERN_E_KEY',
        message: /open to group or others/,
      });
    }
  });

  it('is refused with a wrong size, and never made anew in its place', async () => {
    for (const size of [0, 31, 33]) {
      await writeFile(await file(), Buffer.alloc(size, 1), { mode: 0o600 });
      await assert.rejects(loadKey(await scratch.dir()), {
        code: 'POSTERN_E_KEY',
        message: /bytes/,
      });
      assert.deepEqual(await readFile(await file()), Buffer.alloc(size, 1));
    }
  });

  it('is refused as a symbolic link or a folder', async () => {
    const dir = await scratch.dir();
    await writeFile(join(dir, 'elsewhere'), Buffer.alloc(32), { mode: 0o600 });
    await symlink(join(dir, 'elsewhere'), await file());
    await assert.rejects(loadKey(dir), { code: 'POSTERN_E_KEY', message: /symbolic link/ });
    await mkdir(join(dir, 'state', 'journal.key'), { recursive: true });
    await assert.rejects(loadKey(join(dir, 'state')), {
      code: 'POSTERN_E_KEY',
      message: /no plain file/,
    });
  });

  it('is refused when it belongs to somebody else', async function () {
    requireRoot(this); // Only root can give a file away.
    await writeFile(await file(), Buffer.alloc(32), { mode: 0o600 });
    await chown(await file(), 65534, 65534);
    await assert.rejects(loadKey(await scratch.dir()), {
      code: 'POSTERN_E_KEY',
      message: /uid 65534/,
    });
  });

  it('is not shown when it is printed', async () => {
    const key = await loadKey(await scratch.dir());
    const bytes = await readFile(await file());
    assert.ok(!inspect(key, { showHidden: true }).includes(bytes.toString('hex')));
    assert.equal(JSON.stringify(key), '{}');
  });

  it('gives digests that differ by key, purpose and text', () => {
    const [a, b] = [createSecretKey(Buffer.alloc(32, 1)), createSecretKey(Buffer.alloc(32, 2))];
    const digests = [
      digest(a, 'x', 'yz'),
      digest(b, 'x', 'yz'),
      digest(a, 'xy', 'z'),
      digest(a, 'x', 'y'),
    ];
    assert.equal(new Set(digests).size, 4);
    assert.equal(digest(a, 'x', 'yz'), digests[0]);
    assert.match(digests[0]!, /^[\w-]{43}$/);
  });

  it('gives claims that differ by door and sequence', () => {
    const key = createSecretKey(Buffer.alloc(32, 1));
    const tcp = (port: number) => ({ port, protocol: 'tcp' }) as const;
    const claims = [
      claimOf(key, 'a', [tcp(1), tcp(2)]),
      claimOf(key, 'b', [tcp(1), tcp(2)]),
      claimOf(key, 'a', [tcp(2), tcp(1)]),
      claimOf(key, 'a', [tcp(12)]),
      claimOf(key, 'a', [tcp(1), { port: 2, protocol: 'udp' }]),
    ];
    assert.equal(new Set(claims).size, claims.length);
    assert.equal(claimOf(key, 'a', [tcp(1), tcp(2)]), claims[0]);
  });
});
