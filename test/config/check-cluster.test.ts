import assert from 'node:assert/strict';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFile } from '../../src/cli/check.js';
import { clusterKeysText, newClusterKey } from '../../src/cluster/keys.js';
import { makeFolder } from '../support/daemon.js';
import { requireRoot } from '../support/root.js';

describe('postern check of a host in a cluster', () => {
  let folder: string;
  let conf: string;
  let key: string;
  let password: string;
  beforeEach(async () => {
    folder = await makeFolder();
    await chmod(folder, 0o755);
    [conf, key, password] = [join(folder, 'conf'), join(folder, 'key'), join(folder, 'password')];
    await writeFile(key, clusterKeysText([newClusterKey()]), { mode: 0o600 });
    await writeFile(password, 'hunter2\n', { mode: 0o600 });
    await write();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = (url = 'redis://192.0.2.10') =>
    writeFile(
      conf,
      `[options]\ncluster = edge\nredis = ${url}\ncluster_key_file = ${key}\n` +
        `redis_password_file = ${password}\n` +
        '[door]\nsequence = 27000,29000,28000\ntcpflags = syn\ncommand = echo %IP%\n',
      { mode: 0o600 },
    );

  /** What is said besides the summary; a check of files is never an error. */
  async function check(): Promise<readonly string[]> {
    let output = '';
    const stdout = { write: (text: string) => (output += text) };
    assert.equal(await checkFile(conf, { stdout }), 0);
    assert.ok(!output.includes('hunter2'));
    const lines = output.trimEnd().split('\n');
    const warnings = lines.filter((line) => line.includes(': warning: ')).length;
    assert.match(lines.at(-1)!, new RegExp(`1 door: 0 errors, ${warnings} warning`));
    return lines.slice(0, -1);
  }

  it('says nothing of files that are right', async () => {
    assert.deepEqual(await check(), []);
  });

  it('says that the key file is missing or refused, at the line that names it', async () => {
    await chmod(key, 0o640);
    const [open, ...more] = await check();
    assert.match(open!, /conf:4:\d+: warning: .*key, is open to group .*\[POSTERN_W_CLUSTER\]$/);
    assert.deepEqual(more, []);
    await rm(key);
    assert.match((await check()).join(), /conf:4:\d+: warning: .*does not exist.*cluster init/);
  });

  it('says that a file of Redis is missing or refused, at the line of its URL', async () => {
    await chmod(password, 0o604);
    assert.match((await check()).join(), /conf:3:\d+: warning: .*can be read by others/);
    await rm(password);
    assert.match((await check()).join(), /conf:3:\d+: warning: .*password, does not exist/);
    await write('redis://someone@192.0.2.10');
    await writeFile(password, '', { mode: 0o600 });
    assert.match((await check()).join(), /is empty/);
  });

  it('notes that a file is another user’s, and does not look at it', async function () {
    requireRoot(this);
    await chown(key, 65_534, 65_534);
    await writeFile(key, 'no key');
    const [note, ...more] = await check();
    assert.equal(
      note,
      `${conf}: note: ${key} is another user's; check as the user that runs postern`,
    );
    assert.deepEqual(more, []);
  });

  it('notes so for a user who may not read it', async function () {
    requireRoot(this);
    const secrets = join(folder, 'secrets');
    await mkdir(secrets, { mode: 0o700 });
    key = join(secrets, 'key');
    await write();
    await chmod(conf, 0o644);
    assert.ok(process.seteuid);
    process.seteuid(65_534);
    try {
      const said = await check();
      assert.deepEqual(
        said.filter((line) => line.includes(': note: ')),
        [key, password].map(
          (path) => `${conf}: note: ${path} is another user's; check as the user that runs postern`,
        ),
      );
      assert.match(said.join('\n'), /can read the sequences in it/);
      assert.ok(!said.some((line) => line.includes('POSTERN_W_CLUSTER')));
    } finally {
      process.seteuid(0);
    }
  });

  it('says so when every user can read a password in the file', async () => {
    await writeFile(conf, `[options]\ncluster = edge\nredis = redis://:hunter2@192.0.2.10\n`);
    await writeFile(conf, `cluster_key_file = ${key}\n`, { flag: 'a' });
    await chmod(conf, 0o644);
    let output = '';
    await checkFile(conf, { stdout: { write: (text: string) => (output += text) } });
    assert.match(output, /warning: .*can read the sequences and a password in it.*W_READABLE/);
    assert.ok(!output.includes('hunter2'));
  });
});
