import assert from 'node:assert/strict';
import { copyFile, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { loadConfiguration } from '../../config/load.js';
import { emailRetries } from '../../sinks/email/retries.js';
import type { SinkSettings } from '../../sinks/settings.js';
import { escapeJson, parseTemplate, renderTemplate, templateValues } from '../../sinks/template.js';
import type { SinkCall, SinkGrant } from '../../sinks/types.js';
import { standardBody } from '../../sinks/webhook/message.js';
import { webhookRetries } from '../../sinks/webhook/retries.js';
import { createWebhook } from '../../sinks/webhook/webhook.js';
import { createSink } from '../../src/create-sink.js';
import { reasonOf } from '../../src/errors.js';
import { silentLog } from '../../src/log/types.js';
import { CHAT_BODIES } from '../sinks/webhook/chat-bodies.js';
import { cloneFolder } from '../support/clone.js';
import { node } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { Program } from '../support/program.js';
import { mustRun, run } from '../support/run.js';
import { blocks, codes, page, rows } from './pages.js';

const PAGE = 'docs/sinks.md';
/** Where the page puts files. */
const ETC = '/etc/postern';
const never = new AbortController().signal;

describe('docs/sinks.md', function () {
  this.timeout(30_000);
  let folder: string;
  let text: string;
  before(async () => {
    text = await page(PAGE);
    folder = await realpath(await mkdtemp(join(tmpdir(), 'postern-docs-')));
    await writeFile(at('mail.password'), 'secret\n', { mode: 0o600 });
    await copyFile(join(cloneFolder(), 'examples/gate/index.mjs'), at('gate.mjs'));
  });
  after(() => rm(folder, { recursive: true }));

  const at = (name: string) => join(folder, name);
  const here = (block: string) =>
    block.replaceAll(ETC, folder).replaceAll('/run/gate', at('run-gate'));
  /** What the page puts under a file's name, or shows for it. */
  const writeTemplates = async () => {
    const [, chat = ''] = blocks(text, 'json');
    const [subject = '', mail = ''] = blocks(text, 'text').filter((each) => each.includes('{{'));
    for (const [name, content] of Object.entries({
      ...{ 'slack.json': chat, 'subject.txt': subject, 'mail.txt': mail },
    }))
      await writeFile(at(name), content, { mode: 0o600 });
  };
  /** The command that the page gives. */
  const makeSecrets = async () => {
    const [command = ''] = text.match(/^\(umask 077; echo "whsec_.*$/m) ?? [];
    for (const name of ['ops.secret', 'slack.secret'])
      await mustRun(['sh', '-c', here(command).replace('ops.secret', name)]);
  };

  it('has a configuration for each kind of sink, which loads with the files that the page makes', async () => {
    await makeSecrets();
    await writeTemplates();
    const kinds = new Set<string>();
    const examples = blocks(text, 'ini');
    for (const example of examples) {
      const file = at('knockd.conf');
      await writeFile(file, here(example), { mode: 0o600 });
      const { configuration, diagnostics } = await loadConfiguration(file);
      assert.deepEqual(diagnostics, [], example);
      const named = new Set(configuration?.doors.flatMap(({ sinks }) => sinks));
      assert.deepEqual([...named].sort(), configuration?.sinks.map(({ name }) => name).sort());
      for (const door of configuration?.doors ?? []) {
        if (door.startCommand !== undefined) kinds.add('exec');
        if (door.allow.length > 0) kinds.add('nftables');
      }
      for (const settings of configuration?.sinks ?? []) {
        kinds.add(settings.kind);
        assert.equal((await createSink(settings, silentLog)).name, settings.name);
      }
    }
    assert.deepEqual([...kinds].sort(), ['email', 'exec', 'module', 'nftables', 'webhook']);
    assert.ok(examples.length >= 7);
  });

  it('names commands of postern that do what it says', async () => {
    const calls = [...text.matchAll(/^postern ((?:sink test|check) [^#\n]*)/gm)];
    assert.equal(calls.length, 3);
    await makeSecrets();
    const file = at('knockd.conf');
    const nowhere = here(blocks(text, 'ini')[0] ?? '')
      .replace('https://hooks.example.net', 'http://127.0.0.1:1')
      .replace('mail.example.net', '127.0.0.1:1');
    await writeFile(file, nowhere, { mode: 0o600 });
    const said: string[] = [];
    for (const [, call = ''] of calls) {
      const words = call.trim().replace('/etc/knockd.conf', file).split(/\s+/);
      if (words[0] === 'sink') words.push('-c', file);
      said.push((await run(node('postern', ...words))).stderr);
    }
    const [check = '', hook = '', mail = ''] = said;
    assert.doesNotMatch(check, /error/);
    assert.match(hook, /\[webhook:ops\] could not be told of open .*ECONNREFUSED/);
    assert.match(mail, /\[email:oncall\] could not be told of failed .*ECONNREFUSED/);
  });

  it('shows the body as it is sent', () => {
    const [shown = ''] = blocks(text, 'json');
    const body: { data: Record<string, string>; timestamp: string } = JSON.parse(shown);
    const { door = '', source = '', host = '', grant: id = '', completedAt = '' } = body.data;
    const grant: SinkGrant = {
      ...{ id, door, source, host, leftMs: 0, completedAtMs: Date.parse(completedAt) },
      untilMs: Date.parse(body.data['closesAt'] ?? ''),
    };
    const call: SinkCall = { event: 'open', grant, atMs: Date.parse(body.timestamp) };
    assert.equal(JSON.stringify(JSON.parse(standardBody(call)), null, 2), shown.trim());
  });

  it('shows the bodies for chats that are tested', () => {
    const shown = blocks(text, 'json').slice(1);
    assert.deepEqual(shown, Object.values(CHAT_BODIES));
  });

  it('says when a webhook is tried again', () => {
    const seconds = { s: 1, min: 60, h: 3600 };
    const { retryAfterMs } = webhookRetries(() => 0.5);
    const listed = rows(text, 'schedule: webhook').map(([attempt = '', waits = '']) => {
      const [, count, unit] = /^(\d+) (s|min|h)$/.exec(codes(waits)[0] ?? '') ?? [];
      assert.ok(unit === 's' || unit === 'min' || unit === 'h', waits);
      return [Number(codes(attempt)[0]), Number(count) * seconds[unit] * 1000];
    });
    const inForce = listed.map(([attempt = 0]) => [attempt, retryAfterMs(attempt, undefined, 0)]);
    assert.deepEqual(listed, inForce);
    assert.equal(retryAfterMs(listed.length + 1, undefined, 0), undefined);
    const [least, most] = [0, 1].map((random) =>
      webhookRetries(() => random).retryAfterMs(1, undefined, 0),
    );
    assert.deepEqual([least, most], [4000, 6000], '20 %');
  });

  it('says when a mail is tried again', () => {
    const said = /again after ([\d, ]+) and (\d+) minutes and then every (\d+) minutes/.exec(
      text.replace(/\s+/g, ' '),
    );
    const listed = said?.slice(1).flatMap((part) => part.split(', ').map(Number)) ?? [];
    const { retryAfterMs } = emailRetries(0, () => 0.5);
    const minutes = listed.map((_, index) => (retryAfterMs(index + 1, undefined, 0) ?? 0) / 60_000);
    assert.deepEqual(listed, minutes);
    assert.equal(listed.length, 6);
    assert.equal(retryAfterMs(7, undefined, 0), retryAfterMs(6, undefined, 0));
    assert.equal(retryAfterMs(7, undefined, 86_400_000), undefined);
  });

  it('has every name of templates, and no other', () => {
    const listed = rows(text, 'templates').flatMap(([name = '']) => codes(name));
    const wrong = parseTemplate('{{none}}');
    const all = 'problem' in wrong ? (wrong.problem.match(/\{\{\w+\}\}/g) ?? []).slice(1) : [];
    assert.deepEqual([...listed].sort(), [...all].sort());
  });

  it('its templates of mail make what they are to', async () => {
    const [subject = ''] = blocks(text, 'text').filter((each) => each.includes('{{'));
    const template = parseTemplate(subject.trim());
    assert.ok('parts' in template);
    const grant = { id: 'g', door: 'ssh', source: '192.0.2.7', host: 'h', untilMs: 0, leftMs: 0 };
    const values = templateValues({ event: 'open', grant, atMs: 0 });
    assert.equal(renderTemplate(template, values, escapeJson), ' ssh: open for 192.0.2.7');
  });

  it('its receiver takes what postern signed, and nothing else', async () => {
    await makeSecrets();
    const [code = ''] = blocks(text, 'js');
    assert.ok(code.includes('8080'));
    const port = await freePort();
    await writeFile(at('receiver.mjs'), here(code).replace('8080', String(port)));
    await symlink(join(cloneFolder(), 'node_modules'), at('node_modules'));
    const receiver = Program.start([process.execPath, at('receiver.mjs')]);
    try {
      const hook = (secretFile: string): Promise<{ open: (grant: SinkGrant) => Promise<void> }> =>
        createWebhook(settings(port, secretFile), { log: silentLog }).then((sink) => ({
          open: (grant) => sink.open(grant, never),
        }));
      const grant: SinkGrant = {
        ...{ id: 'g-1', door: 'ssh', source: '192.0.2.7', host: 'h', untilMs: null, leftMs: null },
      };
      const sink = await hook(at('ops.secret'));
      await eventually('it listens', () => sink.open(grant).then(isTrue, isFalse));
      await receiver.waitFor(/^msg_[0-9a-f]{40} door\.open ssh 192\.0\.2\.7$/m);
      const other = await hook(at('slack.secret'));
      await assert.rejects(other.open(grant), /answered 401/);
    } finally {
      await receiver.dispose();
    }
  });
});

const isTrue = () => true;
const isFalse = (error: unknown) => {
  assert.match(reasonOf(error), /ECONNREFUSED/);
  return false;
};

function settings(port: number, secretFile: string): SinkSettings & { kind: 'webhook' } {
  return {
    ...{ kind: 'webhook', name: `webhook:${basename(secretFile)}`, line: 1, secretFile },
    ...{ url: `http://127.0.0.1:${port}/`, events: ['open'], timeoutMs: 5000 },
    privateTargets: true,
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
