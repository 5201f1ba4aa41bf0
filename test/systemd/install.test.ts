import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, node } from '../support/daemon.js';
import { mustRun, run } from '../support/run.js';

const UNITS = 'usr/local/lib/systemd/system';

describe('postern install and uninstall', function () {
  this.timeout(60_000);
  let root: string;
  beforeEach(async () => {
    root = await makeFolder();
  });
  afterEach(() => rm(root, { recursive: true }));

  const install = (...more: string[]) =>
    mustRun(node('postern', 'install', '--root', root, ...more), { timeoutMs: 30_000 });
  const uninstall = (...more: string[]) =>
    mustRun(node('postern', 'uninstall', '--root', root, ...more));
  const at = (path: string) => join(root, path);
  const everything = async () => {
    const all = await readdir(root, { recursive: true });
    return all.filter((path) => !path.startsWith('usr/local/lib/postern/')).sort();
  };

  it('puts a program there that runs without the clone, and that everyone can read', async () => {
    const umask = process.umask(0o077);
    const said = await install().finally(() => process.umask(umask));
    assert.match(said, /systemctl enable --now postern\.service/);
    assert.match(said, /systemctl enable --now postern-nft\.service/);
    const library = at('usr/local/lib/postern');
    const packages = await readdir(join(library, 'node_modules'));
    assert.ok(packages.includes('bullmq') && packages.includes('cap'));
    const forDevelopment = ['typescript', 'mocha', '@biomejs', 'knip'];
    assert.deepEqual(
      packages.filter((name) => forDevelopment.includes(name)),
      [],
    );
    const cli = (name: string) => [process.execPath, join(library, `dist/src/cli/${name}.js`)];
    assert.match(await mustRun([...cli('postern'), 'check', at('etc/knockd.conf')]), / 0 errors/);
    assert.match(await mustRun([...cli('knockd'), '-V']), /postern/);
    // The starters name the place of the installed system; here it lies below another root.
    const starter = await readFile(join(library, 'bin/postern'), 'utf8');
    assert.match(
      starter,
      /^#!\/bin\/sh\nexec \/\S+ \/usr\/local\/lib\/postern\/dist\/\S+ "\$@"\n$/,
    );
    for (const path of ['', ...(await readdir(at('usr'), { recursive: true }))]) {
      const found = await lstat(at(`usr/${path}`));
      if (found.isSymbolicLink()) continue;
      const wanted = found.isDirectory() ? 0o755 : 0o644;
      assert.equal(found.mode & wanted, wanted, path);
      assert.equal(found.mode & 0o022, 0, path);
    }
    assert.equal((await stat(at('etc/knockd.conf'))).mode & 0o777, 0o600);

    // It can bring itself up to date.
    await mustRun([...cli('postern'), 'install', '--root', root], { timeoutMs: 30_000 });
    assert.match(await mustRun([...cli('postern'), '--version']), /^\d/);
  });

  it("takes knockd's names when asked, gives the same a second time, and --purge leaves nothing", async () => {
    await install('--as-knockd');
    assert.deepEqual((await readdir(at('usr/local/bin'))).sort(), ['knock', 'knockd', 'postern']);
    assert.equal(await readlink(at('usr/local/bin/knock')), '/usr/local/lib/postern/bin/knock');
    const record = () => readFile(at('usr/local/lib/postern/installed.json'), 'utf8');
    const first = [await everything(), await record()];
    await writeFile(at(`${UNITS}/postern.service`), 'of an older version');
    await install();
    assert.deepEqual([await everything(), await record()], first);
    assert.match(await readFile(at(`${UNITS}/postern.service`), 'utf8'), /^Type=notify$/m);
    await mkdir(at('var/lib/postern'), { recursive: true });
    await writeFile(at('var/lib/postern/journal.key'), 'secret');
    await uninstall('--purge');
    assert.deepEqual(await everything(), ['var', 'var/lib']);
  });

  it("leaves knockd's names alone, and goes without a trace but the configuration", async () => {
    await mkdir(at('usr/local/lib'), { recursive: true });
    await writeFile(at('usr/local/lib/other'), '');
    await install();
    assert.deepEqual(await readdir(at('usr/local/bin')), ['postern']);
    assert.match(await uninstall(), /What is left.*: \/etc\/knockd\.conf\.\n$/);
    const theirs = ['usr', 'usr/local', 'usr/local/lib', 'usr/local/lib/other'];
    assert.deepEqual(await everything(), ['etc', 'etc/knockd.conf', ...theirs]);
  });

  it('makes a root that is not there yet', async () => {
    await rm(root, { recursive: true });
    await install();
    await uninstall();
    assert.deepEqual(await everything(), ['etc', 'etc/knockd.conf']);
  });

  it('refuses to replace what is not its own, before anything else', async () => {
    await mkdir(at('usr/local/bin'), { recursive: true });
    await writeFile(at('usr/local/bin/knock'), 'somebody else');
    const argv = node('postern', 'install', '--root', root, '--as-knockd');
    const { code, stderr } = await run(argv);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^postern: \/usr\/local\/bin\/knock is there already.*POSTERN_E_INSTALL\]$/m,
    );
    assert.deepEqual(await readdir(at('usr/local')), ['bin']);
  });

  it('says in one line that nothing is installed, and that the machine itself is for root', async () => {
    const none = await run(node('postern', 'uninstall', '--root', root));
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^postern: postern is not installed under \/usr\/local \[.*\]\n$/);
    if (process.getuid?.() !== 0) return;
    // It may read everything, for the clone may lie in a folder of root's.
    const reads = ['--inh-caps', '-all,+dac_read_search', '--ambient-caps', '+dac_read_search'];
    const user = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...reads];
    const denied = await run([...user, ...node('postern', 'install')], { cwd: '/' });
    assert.equal(denied.code, 1);
    assert.match(denied.stderr, /^postern: run it as root: sudo postern install.*\n$/);
  });

  it('under another prefix systemd finds the units, and a configuration of mine stays mine', async () => {
    await mkdir(at('etc'));
    await writeFile(at('etc/knockd.conf'), 'mine', { mode: 0o640 });
    await install('--prefix', '/opt/postern');
    const unit = await readFile(at('etc/systemd/system/postern-nft.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/opt\/postern\/bin\/postern run /m);
    assert.doesNotMatch(unit, /\/usr\/local/);
    const starter = await readFile(at('opt/postern/lib/postern/bin/knockd'), 'utf8');
    assert.match(starter, / \/opt\/postern\/lib\/postern\/dist\/src\/cli\/knockd\.js /);
    await uninstall('--prefix', '/opt/postern', '--purge');
    assert.deepEqual(await everything(), ['etc', 'etc/knockd.conf']);
    assert.equal(await readFile(at('etc/knockd.conf'), 'utf8'), 'mine');
    assert.equal((await stat(at('etc/knockd.conf'))).mode & 0o777, 0o640);
  });
});
