import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answers } from '../sinks/webhook/receiver.js';
import { cloneFolder } from '../support/clone.js';
import { section } from '../support/conf.js';
import { node } from '../support/daemon.js';
import { useLab } from '../support/lab.js';
import { PASSWORD, SECRET, SinksStage } from './sinks-stage.js';

describe('postern sink test, with real receivers', function () {
  this.timeout(30_000);
  const lab = useLab();
  let stage: SinksStage;
  let conf: string;
  beforeEach(async () => {
    stage = await SinksStage.open(lab, await lab.folder());
    conf = join(stage.folder, 'knockd.conf');
    const path = join(cloneFolder(), 'examples/gate/index.mjs');
    const gate = section('module:gate', { path, folder: join(stage.folder, 'gate') });
    const broken = section('module:broken', { path });
    await lab.write(conf, [stage.webhook('ops'), stage.email('oncall'), gate, broken].join('\n'));
  });
  afterEach(() => stage.close());

  const test = async (...words: readonly string[]) => {
    const argv = node('postern', 'sink', 'test', ...words, '-c', conf);
    const { code, stdout, stderr } = await lab.network.exec('server', argv);
    for (const secret of [SECRET.slice(6), PASSWORD, 't0ken-of-the-url'])
      assert.ok(!`${stdout}${stderr}`.includes(secret), `${stdout}${stderr}`);
    return { code, stdout, stderr };
  };

  it('a webhook: told, or the answer that was no success', async () => {
    const { code, stdout, stderr } = await test('webhook:ops');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\[webhook:ops\] was told of open of the grant test-\w+, \d+ ms\n$/);
    const [told] = stage.told();
    assert.deepEqual([told?.type, told?.data['test']], ['door.open', true]);
    stage.hook.behaviours = [answers('302 Found', ['Location: https://elsewhere.example.net/'])];
    const failed = await test('webhook:ops', '--event', 'failed');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /answered 302 Found: postern follows no redirect/);
    assert.equal(stage.hook.requests.length, 2, 'it is not tried again');
  });

  it('an e-mail: sent at once and marked, or what the server refused', async () => {
    const { code, stdout, stderr } = await test('email:oncall');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\[email:oncall\] was told of open of the grant test-\w+, \d+ ms\n$/);
    const [mail] = stage.mail.taken;
    assert.equal(mail?.isSecure, true);
    assert.match(mail?.parsed.subject ?? '', /^\[postern\] TEST: door test opened/);
    await writeFile(stage.passwordFile, 'wrong\n');
    const failed = await test('email:oncall');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /refused user and password \(535/);
    assert.equal(stage.mail.taken.length, 1);
  });

  it('a module: opened and closed again, or what its section lacks', async () => {
    const { code, stdout, stderr } = await test('module:gate');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /did open of the grant (test-\w+).*\n.* did close of the grant \1,/);
    const failed = await test('module:broken');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /needs a line folder = \/run\/gate/);
  });
});
