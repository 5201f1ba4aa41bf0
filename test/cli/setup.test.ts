import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';
import { run } from '../support/run.js';

const root = cloneFolder();
/** An account without rights of its own; its number is the same everywhere. */
const NOBODY = '65534';
/** All that setup.sh itself needs. */
const TOOLS = [
  'bash',
  'node',
  'npm',
  'cat',
  'dirname',
  'uname',
  'mktemp',
  'find',
  'stat',
  'rm',
  'env',
];

describe('npm start and npm test set up what is missing', () => {
  let folder: string;
  let clone: string;
  let bin: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern set-up '));
    [clone, bin] = [join(folder, 'clone'), join(folder, 'bin')];
    for (const each of [join(clone, 'scripts'), bin]) await mkdir(each, { recursive: true });
    for (const file of ['package.json', 'package-lock.json']) {
      await copyFile(join(root, file), join(clone, file));
    }
    for (const file of await readdir(join(root, 'scripts'))) {
      await copyFile(join(root, 'scripts', file), join(clone, 'scripts', file));
    }
    await run(['chmod', '-R', 'a+rX', folder]);
    for (const tool of TOOLS) {
      const { stdout } = await run(['bash', '-c', `command -v ${tool}`]);
      await symlink(stdout.trim(), join(bin, tool));
    }
  });
  afterEach(() => rm(folder, { recursive: true }));

  const setup = async (...also: string[]) => {
    for (const tool of also) await symlink('/bin/false', join(bin, tool));
    const script = ['bash', join(clone, 'scripts', 'setup.sh'), 'run'];
    const asNobody = ['/usr/bin/setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups'];
    const argv = process.getuid?.() === 0 ? [...asNobody, ...script] : script;
    return run(argv, { env: { PATH: bin, HOME: folder }, cwd: '/' });
  };

  it('without root or sudo: the one command to run, which survives blanks in the path, exit 1', async () => {
    const { code, stdout, stderr } = await setup('apt-get', 'sudo');
    assert.deepEqual([code, stdout], [1, '']);
    const [missing, command, ...more] = stderr.trim().split('\n');
    assert.match(missing ?? '', /redis-server.*g\+\+.*make.*one command/);
    assert.match(command ?? '', /^ {2}sudo bash \/.*redis-server.*make/);
    assert.deepEqual(more, []);
    const words = await run(['bash', '-c', `printf '%s\\n' ${command}`]);
    assert.ok(words.stdout.split('\n').includes(join(clone, 'scripts/install-packages.sh')));
  });

  it('on a system without apt-get: the names of what is missing, exit 1', async () => {
    const { code, stderr } = await setup();
    assert.equal(code, 1);
    assert.match(stderr, /^Missing: .*redis-server/);
    assert.equal(stderr.trim().split('\n').length, 1);
  });

  it('with a Node that is too old: one line that says which is needed, exit 1', async () => {
    await rm(join(bin, 'node'));
    // The real Node, but one that believes to be of another version.
    const older = 'Object.defineProperty(process.versions, "node", { value: "18.19.0" });';
    await writeFile(join(folder, 'older.cjs'), older, { mode: 0o644 });
    const script = `#!/bin/bash\nexec "${process.execPath}" -r "${join(folder, 'older.cjs')}" "$@"\n`;
    await writeFile(join(bin, 'node'), script, { mode: 0o755 });
    const { code, stderr } = await setup();
    assert.equal(code, 1);
    assert.match(stderr, /^postern needs Node\.js 20\.20 or newer; this is v[0-9.]+\.\n$/);
  });
});
