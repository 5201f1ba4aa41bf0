import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PosternError } from '../../../src/errors.js';
import { GRANT, never, Workshop } from './workshop.js';

const GOOD = 'export default { open() {}, close() {} };';
const isRoot = process.geteuid?.() === 0;

describe('a module is loaded', () => {
  let shop: Workshop;
  before(() => {
    shop = new Workshop();
  });
  beforeEach(() => shop.fresh());
  after(() => shop.dispose());

  /** Why that module cannot be loaded: one line that names section and file. */
  async function refusal(path: string, options = {}): Promise<string> {
    let refused: unknown;
    await shop.load(path, options).catch((error: unknown) => {
      refused = error;
    });
    assert.ok(refused instanceof PosternError, `${path} was loaded: ${refused}`);
    assert.equal(refused.code, 'POSTERN_E_SINK');
    assert.match(refused.message, /^\[module:gate\]: [^\n]+$/);
    return refused.message;
  }
  const refusalOf = async (text: string) => refusal(await shop.write(text));

  it('whose default export is an object, with what it has', async () => {
    const both = await shop.sink(GOOD);
    assert.deepEqual(Object.keys(both), ['name', 'open', 'close']);
    assert.deepEqual([both.name, both.delivery], ['module:gate', undefined]);
    const all = await shop.sink('export default { open() {}, close() {}, failed() {} };');
    assert.deepEqual(Object.keys(all), ['name', 'open', 'close', 'failed']);
    const less = await shop.sink('export default { open() {} };');
    assert.deepEqual(Object.keys(less), ['name', 'open']);
  });

  it('whose default export is a function, which is given options, name and log', async () => {
    const text = `export default async (options, { name, log }) => {
      log.warn('two\\nlines');
      calls.push(JSON.stringify(options), name, String(Object.isFrozen(options)));
      return new (class Gate { #own = 'own'; open() { calls.push(this.#own); } })();
    };`;
    const sink = await shop.sink(text, { colour: 'red', timeout: '5' });
    await sink.open(GRANT, never());
    assert.deepEqual(calls, ['{"colour":"red","timeout":"5"}', 'module:gate', 'true', 'own']);
    const entry = { level: 'warn', fields: { sink: 'module:gate' }, message: 'two lines' };
    assert.deepEqual(shop.log.entries, [entry]);
  });

  it('anew when its file has changed, and not when it has not', async () => {
    const said = (word: string) =>
      `calls.push('loaded');\nexport default { open() { calls.push('${word}'); } };`;
    await (await shop.sink(said('one'))).open(GRANT, never());
    await (await shop.sink(said('one'))).open(GRANT, never());
    await (await shop.sink(said('two'))).open(GRANT, never());
    assert.deepEqual(calls, ['loaded', 'one', 'one', 'loaded', 'two']);
  });

  it('anew once what it could not be loaded for is mended', async () => {
    const text = "import { push } from './part.mjs';\npush();\nexport default { open() {} };";
    assert.match(
      await refusalOf(text),
      /sink\.mjs cannot be loaded: Cannot find module .*part\.mjs/,
    );
    await shop.write("export const push = () => calls.push('part');", 'part.mjs');
    await shop.sink(text);
    assert.deepEqual(calls, ['part']);
  });

  it('or its default export is said to be missing, or no sink', async () => {
    assert.match(await refusalOf('export const open = () => {};'), /has no default export: write/);
    assert.match(
      await refusalOf('export default 5;'),
      /its default export is a number, not a sink/,
    );
    assert.match(
      await refusalOf('export default { close() {} };'),
      /its default .*: open is missing/,
    );
    const odd = 'export default { open() {}, close: "rm" };';
    assert.match(await refusalOf(odd), /its default export is no sink: close is no function/);
    const gives = await refusalOf('export default () => ({ open: 1 });');
    assert.match(gives, /what its default export gives is no sink: open is no function/);
    assert.match(
      await refusalOf('export default () => {};'),
      /what its .* gives is undefined, not/,
    );
    const trap = 'export default { get open() { throw new Error("trap"); } };';
    assert.match(await refusalOf(trap), /cannot be loaded, line 1: trap/);
  });

  it('or the line of its syntax error is said', async () => {
    const text = '// a\n// b\nexport default { open( };\n';
    assert.match(await refusalOf(text), /sink\.mjs cannot be loaded, line 3: Unexpected token/);
    const names = "\nimport { nothing } from 'node:fs';\nexport default { open() {} };";
    assert.match(await refusalOf(names), /line 2: .*does not provide an export named 'nothing'/);
  });

  it('or what it throws is said in one line', async () => {
    assert.match(
      await refusalOf('\n\nthrow new Error("a\\nb");'),
      /cannot be loaded, line 3: a b$/,
    );
    const long = await refusalOf('throw new Error("x".repeat(1e6));');
    assert.ok(long.length < 700, String(long.length));
    assert.match(await refusalOf('throw null;'), /threw null, which is no Error/);
    assert.match(await refusalOf('throw Object.create(null);'), /something that cannot be shown/);
    const needs = 'export default ({ folder }) => {\n  throw new Error("add folder = /x");\n};';
    assert.match(await refusalOf(needs), /cannot be loaded, line 2: add folder = \/x/);
  });

  it('or is given up when it does not end', async () => {
    const hangs = 'await new Promise(() => {});';
    assert.match(await refusalOf(hangs), /cannot be loaded: it is not done within 2 s/);
    const makes = 'export default () => new Promise(() => {});';
    assert.match(await refusalOf(makes), /cannot be loaded: it is not done within 2 s/);
  });

  it('or is refused for what it is', async () => {
    assert.match(await refusal(join(shop.dir, 'none.mjs')), /none\.mjs does not exist/);
    const script = await shop.write(GOOD, 'sink.js');
    assert.match(await refusal(script), /sink\.js is no ES module by its name; name it NAME\.mjs/);
    await mkdir(join(shop.dir, 'folder.mjs'));
    assert.match(await refusal(join(shop.dir, 'folder.mjs')), /is a directory; name a file/);
    assert.match(await refusal(join(script, 'x.mjs')), /sink\.js is no folder/);
  });

  it('or its timeout is refused', async () => {
    const path = await shop.write(GOOD);
    for (const timeout of ['0', '-1', '1e3', 'soon', '', '3601', 'Infinity'])
      assert.match(
        await refusal(path, { timeout }),
        /timeout is to be a number of seconds/,
        timeout,
      );
    for (const timeout of ['0.1', '60', '3600']) await shop.load(path, { timeout });
  });
});

describe('a module that others can change is refused (T8)', () => {
  let shop: Workshop;
  before(() => {
    shop = new Workshop();
  });
  after(() => shop.dispose());

  const refuses = (path: string, why: RegExp) =>
    assert.rejects(shop.load(path), (error: unknown) => {
      assert.ok(error instanceof PosternError);
      assert.match(error.message, why);
      return true;
    });

  /** A module two folders down; it loads as it is. */
  async function deep(name: string): Promise<string> {
    const folder = join(shop.dir, name, 'inner');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'sink.mjs'), GOOD);
    await shop.load(join(folder, 'sink.mjs'));
    return join(folder, 'sink.mjs');
  }

  it('by its own mode', async () => {
    const path = await deep('mode');
    await chmod(path, 0o664);
    await refuses(path, /sink\.mjs can be written by its group; chmod go-w it/);
    await chmod(path, 0o646);
    await refuses(path, /sink\.mjs can be written by everyone/);
    await chmod(path, 0o644);
    await shop.load(path);
  });

  it('by the mode of any folder above it', async () => {
    const path = await deep('folder');
    for (const folder of [dirname(path), dirname(dirname(path))]) {
      await chmod(folder, 0o775);
      await refuses(path, new RegExp(`${folder} can be written by its group; chmod go-w it`));
      await chmod(folder, 0o755);
    }
    await chmod(dirname(path), 0o1777);
    await shop.load(path);
  });

  it('by the owner of the file, or of any folder above it, sticky or not', async function () {
    if (!isRoot) this.skip();
    const path = await deep('owner');
    for (const at of [path, dirname(path), dirname(dirname(path))]) {
      await chown(at, 65_534, 65_534);
      await refuses(path, new RegExp(`${at} belongs to user 65534, who could change it`));
      await chown(at, 0, 0);
    }
    await chmod(dirname(path), 0o1777);
    await chown(path, 65_534, 65_534);
    await refuses(path, /sink\.mjs belongs to user 65534/);
    await chown(path, 0, 0);
    await chown(dirname(path), 65_534, 65_534);
    await refuses(path, /inner belongs to user 65534/);
  });

  it('by where a link leads, and by whose it is', async () => {
    const path = await deep('target');
    const link = join(shop.dir, 'link.mjs');
    await symlink(path, link);
    await shop.load(link);
    await chmod(dirname(path), 0o777);
    await refuses(link, /inner can be written by its group/);
    await chmod(dirname(path), 0o755);
    if (isRoot) {
      const stranger = join(shop.dir, 'stranger.mjs');
      await symlink(path, stranger);
      await lchown(stranger, 65_534, 65_534);
      await refuses(stranger, /stranger\.mjs belongs to user 65534/);
    }
  });

  it('by a link on the way, and links in a circle are no way', async () => {
    const path = await deep('real');
    await symlink('real', join(shop.dir, 'alias'));
    const aliased = join(shop.dir, 'alias', 'inner', 'sink.mjs');
    await shop.load(aliased);
    await chmod(join(shop.dir, 'real'), 0o757);
    await refuses(aliased, /real can be written by everyone/);
    await chmod(join(shop.dir, 'real'), 0o755);
    await rm(path);
    await symlink('sink.mjs', path);
    await refuses(aliased, /sink\.mjs leads through too many symbolic links/);
  });
});
