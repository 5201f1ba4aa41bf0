import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createModuleSink } from '../../../sinks/module/module.js';
import { silentLog } from '../../../src/log/types.js';
import { blocks, page } from '../../docs/pages.js';
import { cloneFolder } from '../../support/clone.js';
import { GRANT, never } from './workshop.js';

const EXAMPLE = join(cloneFolder(), 'examples/gate');
const KIT = fileURLToPath(new URL('../../../src/testing.js', import.meta.url));

describe('examples/gate', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(realpathSync(tmpdir()), 'postern-gate-'));
    cpSync(EXAMPLE, join(dir, 'gate'), { recursive: true });
    // As npm would put it there.
    const kit = join(dir, 'gate/node_modules/postern');
    mkdirSync(kit, { recursive: true });
    const source = `export * from ${JSON.stringify(KIT)};\n`;
    writeFileSync(join(kit, 'testing.js'), source);
    const described = { name: 'postern', type: 'module', exports: { './testing': './testing.js' } };
    writeFileSync(join(kit, 'package.json'), JSON.stringify(described));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('passes its own test', function () {
    this.timeout(20_000);
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
    const cwd = join(dir, 'gate');
    const { status, stdout } = spawnSync(process.execPath, ['--test'], {
      cwd,
      env,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /# pass 2\n# fail 0/);
  });

  it('opens and closes as a sink of postern', async () => {
    const folder = join(dir, 'open');
    const path = join(dir, 'gate/index.mjs');
    const settings = { kind: 'module', name: 'module:gate', line: 1, path } as const;
    const sink = await createModuleSink({ ...settings, options: { folder } }, { log: silentLog });
    await sink.open(GRANT, never());
    const [name = '', ...more] = await readdir(folder);
    assert.deepEqual([name, more], [encodeURIComponent(GRANT.id), []]);
    assert.equal(await readFile(join(folder, name), 'utf8'), `${GRANT.source}\n`);
    await sink.close?.(GRANT, never());
    assert.deepEqual(await readdir(folder), []);
  });

  it('is what docs/sink-modules.md shows, and so is its test', async () => {
    const shown = blocks(await page('docs/sink-modules.md'), 'js');
    for (const file of ['index.mjs', 'index.test.mjs'])
      assert.ok(shown.includes(await readFile(join(EXAMPLE, file), 'utf8')), file);
  });
});

describe('postern/testing', () => {
  it('is what package.json leads to', async () => {
    const { exports }: { exports: Record<string, string> } = JSON.parse(await page('package.json'));
    const compiled = relative(fileURLToPath(new URL('../../..', import.meta.url)), KIT);
    assert.equal(exports['./testing'], `./dist/${compiled}`);
  });
});
