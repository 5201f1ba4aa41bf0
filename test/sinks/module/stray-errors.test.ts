import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { Workshop } from './workshop.js';

/** Ways to fail where nobody waits, each within an open that ends well. */
const WAYS: Readonly<Record<string, string>> = {
  'in a timer': 'setTimeout(() => { throw new Error("stray"); }, 1);',
  'in a promise it forgot': 'void Promise.reject(new Error("stray"));',
  'in an async function it forgot':
    'void (async () => { await null; await new Promise((r) => setTimeout(r, 1)); throw new Error("stray"); })();',
  'in a promise rejected with nothing': 'void Promise.reject();',
  'in a microtask': 'queueMicrotask(() => { throw new Error("stray"); });',
  'as an event it does not listen to':
    'process.nextTick(() => new EventEmitter().emit("error", new Error("stray")));',
  'when its connection is refused': 'connect(1, "127.0.0.1");',
  'in a listener of its signal':
    'signal.addEventListener("abort", () => { throw new Error("stray"); }); await new Promise(() => {});',
};

/** Loads the module in its argument, opens, and lives on until all is over. */
const HOST = `
const { createModuleSink } = await import(process.argv[1]);
const say = (level) => (fields, message) => console.log(JSON.stringify({ level, message, ...fields }));
const log = { debug() {}, info: say('info'), warn: say('warn'), error: say('error') };
const path = process.argv[2];
const settings = { kind: 'module', name: 'module:gate', line: 1, path, options: { timeout: '0.2' } };
const sink = await createModuleSink(settings, { log });
await sink.open({ id: 'g', source: '192.0.2.1' }, new AbortController().signal).catch(() => {});
setTimeout(() => console.log('alive'), 200);
if (process.argv[3] === 'foreign') setTimeout(() => { throw new Error('of postern'); }, 50);
`;

describe('an error of a module that nobody waits for', () => {
  let shop: Workshop;
  before(() => {
    shop = new Workshop();
  });
  after(() => shop.dispose());

  async function run(body: string, ...rest: string[]) {
    const imports =
      "import { connect } from 'node:net';\nimport { EventEmitter } from 'node:events';";
    const open = `async open(grant, signal) { ${body} }`;
    const path = await shop.write(`${imports}\nexport default { ${open} };`);
    const code = new URL('../../../sinks/module/module.js', import.meta.url).href;
    const args = ['--input-type=module', '-e', HOST, code, path, ...rest];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { out, err, code: await exited };
  }

  for (const [way, body] of Object.entries(WAYS)) {
    it(`${way} is logged, and postern lives on`, async () => {
      const { out, err, code } = await run(body);
      assert.equal(code, 0, err);
      assert.match(out, /"level":"error".*the module failed where nobody waits.*"module:gate"/);
      assert.match(out, /alive\n$/);
      assert.equal(err, '');
    });
  }

  it('is not mistaken for one of postern itself, which ends it', async () => {
    const { out, err, code } = await run('', 'foreign');
    assert.notEqual(code, 0);
    assert.match(err, /Error: of postern/);
    assert.doesNotMatch(out, /alive|the module failed/);
  });
});
