import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DEFAULT_OPTIONS } from '../../config/options.js';
import {
  clusterKeysText,
  fingerprint,
  loadClusterKeys,
  newClusterKey,
} from '../../src/cluster/keys.js';
import { takeControl } from '../../src/control/server.js';
import { makeFolder, node } from '../support/daemon.js';
import { requireRoot } from '../support/root.js';
import { type RunResult, run } from '../support/run.js';

describe('postern cluster', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await makeFolder();
    path = join(folder, 'postern', 'cluster.key');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const cluster = (...words: readonly string[]) => run(node('postern', 'cluster', ...words));
  const prints = async () => (await loadClusterKeys(path)).all.map(fingerprint);

  /** The step is not taken, says why in one line, and leaves the file as it was. */
  const refuses = async (words: readonly string[], why: RegExp) => {
    const before = await readFile(path);
    const { code, stdout, stderr } = await cluster(...words);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, why);
    assert.match(stderr, /^postern: [^\n]*\[POSTERN_E_KEY\]\n$/);
    assert.deepEqual(await readFile(path), before);
  };
  const works = ({ code, stdout, stderr }: RunResult) => {
    assert.deepEqual([code, stderr], [0, '']);
    return stdout;
  };

  it('init makes the key and says what comes next, showing nothing of it', async () => {
    const said = works(await cluster('init', path));
    const [print] = await prints();
    assert.ok(print !== undefined && said.includes(`with the key ${print}`));
    assert.match(said, /root@HOST install -d .*\n.*scp -p .*root@HOST:/);
    for (const line of ['cluster ', 'host ', 'redis ', 'cluster_key_file = '])
      assert.match(said, new RegExp(`^ {2}${line}`, 'm'));
    const secret = (await readFile(path, 'utf8')).split(':').at(-1)!.trim();
    assert.ok(!said.includes(secret));
    assert.equal((await stat(path)).mode & 0o7777, 0o600);
    await refuses(['init', path], /is there already.*rotate/);
  });

  it('key says which keys there are and which one signs', async () => {
    await cluster('init', path);
    const [print] = await prints();
    assert.equal(works(await cluster('key', path)), `${path}\n  ${print}  signs\n`);
  });

  it('rotate adds, uses and drops a key, one step after the other', async () => {
    await cluster('init', path);
    const [old] = await prints();
    const added = works(await cluster('rotate', 'add', path));
    const [first, next, ...none] = await prints();
    assert.deepEqual([first, none], [old, []]);
    assert.match(added, new RegExp(`  ${old}  signs\n  ${next}  accepted\n`));
    assert.match(added, /Step 1 of 3.*every other host.*scp -p.*postern reload.*rotate use/s);
    const used = works(await cluster('rotate', 'use', path));
    assert.deepEqual(await prints(), [next, old]);
    assert.match(used, new RegExp(`Step 2 of 3.*${next} signs.*rotate drop`, 's'));
    const dropped = works(await cluster('rotate', 'drop', path));
    assert.deepEqual(await prints(), [next]);
    assert.match(dropped, /Step 3 of 3/);
    assert.equal((await stat(path)).mode & 0o7777, 0o600);
    assert.deepEqual(await readdir(dirname(path)), ['cluster.key']);
  });

  it('rotate refuses a step that is not the next one', async () => {
    await cluster('init', path);
    await refuses(['rotate', 'use', path], /holds one key: begin with `rotate add`/);
    await refuses(['rotate', 'drop', path], /holds one key/);
    await cluster('rotate', 'add', path);
    await refuses(['rotate', 'add', path], /holds two keys already/);
    await refuses(['rotate', 'drop', path], /first `rotate use`/);
    await cluster('rotate', 'use', path);
    await refuses(['rotate', 'add', path], /holds two keys already/);
    await refuses(['rotate', 'use', path], /go on with `rotate drop`/);
    await cluster('rotate', 'drop', path);
    await refuses(['rotate', 'drop', path], /holds one key/);
  });

  it('rotate goes on in a file that was written by hand', async () => {
    path = join(folder, 'cluster.key');
    const lines = clusterKeysText([newClusterKey(), newClusterKey()]);
    await writeFile(path, lines.replaceAll(/^#.*\n/gm, ''), { mode: 0o600 });
    const [first, second] = await prints();
    works(await cluster('rotate', 'use', path));
    assert.deepEqual(await prints(), [second, first]);
    works(await cluster('rotate', 'drop', path));
    assert.deepEqual(await prints(), [second]);
  });

  it('refuses a file that others could have read, and replaces nothing', async () => {
    await cluster('init', path);
    await chmod(path, 0o640);
    await refuses(['key', path], /open to group or others/);
    await refuses(['rotate', 'add', path], /open to group or others/);
  });

  it('reads a file of root’s as another user, where that one may', async function () {
    requireRoot(this);
    path = join(folder, 'cluster.key');
    await cluster('init', path);
    const [print] = await prints();
    const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const mayRead = ['--inh-caps', '-all,+dac_read_search', '--ambient-caps', '+dac_read_search'];
    const key = node('postern', 'cluster', 'key', path);
    assert.ok(works(await run([...asNobody, ...mayRead, ...key])).includes(`${print}  signs`));
  });

  it('names its default file, a step that there is not, and what it can do', async () => {
    for (const command of [['init'], ['key'], ['rotate']])
      assert.ok(
        works(await cluster(...command, '--help')).includes(DEFAULT_OPTIONS.clusterKeyFile),
      );
    const { code, stderr } = await cluster('rotate', 'twice', path);
    assert.equal(code, 1);
    assert.match(stderr, /add, use, drop/);
    const { code: none, stderr: usage } = await cluster();
    assert.equal(none, 1);
    for (const command of ['init', 'key', 'rotate', 'forget']) assert.ok(usage.includes(command));
  });
});

describe('postern close and cluster forget', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await makeFolder();
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What they print and exit with when the daemon answers so; and what the daemon was asked. */
  async function asked(isDone: boolean, ...words: readonly string[]) {
    const control = await takeControl(join(folder, 'control.sock'));
    const heard: unknown[] = [];
    const never = () => {
      throw new Error('not asked for');
    };
    control.serve({
      ...{ status: never, events: never, reload: never },
      async close(request) {
        heard.push(request);
        return { closed: 1, isDone, cluster: 'told', messages: ['b1: closed', 'b2: \u001b[2J'] };
      },
      async forget(host) {
        heard.push(host);
        return { forgotten: host };
      },
    });
    try {
      return { ...(await run(node('postern', ...words, '--state-dir', folder))), heard };
    } finally {
      await control.stop();
    }
  }

  it('close prints what was closed where; exit 0 only if all of it was', async () => {
    const closed = await asked(true, 'close', 'ssh', '192.0.2.7');
    assert.deepEqual(closed.heard, [{ command: 'close', door: 'ssh', source: '192.0.2.7' }]);
    assert.deepEqual([closed.code, closed.stdout], [0, 'b1: closed\nb2: \\u001b[2J\n']);
    const failed = await asked(false, 'close', 'ssh', '192.0.2.7', '--host', 'b2');
    assert.deepEqual(failed.heard, [
      { command: 'close', door: 'ssh', source: '192.0.2.7', host: 'b2' },
    ]);
    assert.equal(failed.code, 1);
    const json = await asked(true, 'close', '--json', 'ssh', '2001:db8::1');
    assert.equal((JSON.parse(json.stdout) as { isDone: boolean }).isDone, true);
  });

  it('close asks nobody about what is no address', async () => {
    const { code, stderr, heard } = await asked(true, 'close', 'ssh', 'localhost');
    assert.deepEqual([code, heard], [1, []]);
    assert.match(stderr, /^postern: close takes an IPv4 or IPv6 address, not "localhost"\n$/);
  });

  it('cluster forget names the host that is forgotten', async () => {
    const { code, stdout, heard } = await asked(true, 'cluster', 'forget', 'b3');
    assert.deepEqual([code, heard], [0, ['b3']]);
    assert.match(stdout, /^b3 is forgotten/);
  });
});
