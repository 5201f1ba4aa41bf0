import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  escapeHtml,
  escapeJson,
  escapePlain,
  loadTemplate,
  parseTemplate,
  renderTemplate,
  type Template,
  templateValues,
} from '../../sinks/template.js';
import type { SinkCall } from '../../sinks/types.js';

const CALL: SinkCall = {
  event: 'open',
  atMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  grant: {
    id: 'bastion-1700000000000-0',
    door: 'ssh',
    source: '192.0.2.7',
    host: 'bastion',
    untilMs: Date.UTC(2026, 0, 2, 3, 5, 5),
    leftMs: 60_000,
    completedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  },
};

function parsed(text: string): Template {
  const template = parseTemplate(text);
  if ('problem' in template) throw new Error(`${template.line}: ${template.problem}`);
  return template;
}

function problemOf(text: string): string {
  const template = parseTemplate(text);
  if (!('problem' in template)) throw new Error('nothing is wrong with it');
  return `${template.line}:${template.column} ${template.problem}`;
}

function render(text: string, call: SinkCall = CALL, escaped = (value: string) => value): string {
  return renderTemplate(parsed(text), templateValues(call), escaped);
}

describe('templates', () => {
  it('put the values of a call in their places', () => {
    assert.equal(
      render(
        '{{event}} {{door}} for {{ source }} at {{host}} ({{grant}}), {{at}} to {{closes_at}}',
      ),
      'open ssh for 192.0.2.7 at bastion (bastion-1700000000000-0), 2026-01-02T03:04:05.678Z to 2026-01-02T03:05:05.000Z',
    );
    assert.equal(render('{{door}}{{door}}\n{{test}}|{{reason}}|{{closed_at}}'), 'sshssh\n||');
  });

  it('say in a sentence what happened', () => {
    const grant = { ...CALL.grant, untilMs: null, leftMs: null };
    const failed: SinkCall = { ...CALL, event: 'failed', reason: 'no route' };
    assert.equal(
      render('{{summary}}'),
      'door ssh is open for 192.0.2.7 on bastion until 2026-01-02T03:05:05.000Z',
    );
    assert.equal(
      render('{{summary}}, {{closes_at}}', { ...CALL, grant }),
      'door ssh is open for 192.0.2.7 on bastion and stays open, never',
    );
    assert.equal(
      render('{{summary}} {{closed_at}}{{closes_at}}', { ...CALL, event: 'close' }),
      'door ssh is closed again for 192.0.2.7 on bastion 2026-01-02T03:04:05.678Z',
    );
    assert.equal(
      render('{{summary}} {{test}}', { ...failed, grant: { ...grant, isTest: true } }),
      'TEST: door ssh FAILED for 192.0.2.7 on bastion: no route test',
    );
  });

  it('leave everything else as it stands', () => {
    for (const text of ['', '{"a":{"b":{}}}', 'a { b } c', '}}', '{ {door}', '\\n', 'é €'])
      assert.equal(render(text), text);
    assert.equal(render('\\{{DATE(x)}} \\{{door}} {{door}}'), '{{DATE(x)}} {{door}} ssh');
  });

  it('name line and column of a mistake', () => {
    assert.match(
      problemOf('a\nbé€ {{dor}}'),
      /^2:5 there is no \{\{dor\}\}; there are .*\{\{door\}\}/,
    );
    assert.match(problemOf('{{}}'), /^1:1 there is no \{\{\}\}/);
    assert.match(problemOf('{{__proto__}}'), /^1:1 there is no/);
    assert.match(problemOf('x\r\n\n  {{door'), /^3:3 a \{\{ without its \}\}/);
    assert.match(problemOf('{{door}'), /^1:1 a \{\{ without/);
    assert.match(problemOf('{{door\n}}'), /^1:1 a \{\{ without/);
    assert.match(problemOf('{{{door}}}'), /^1:1 a \{\{ without/);
    assert.match(problemOf('{{door}} \0'), /^1:10 this is not text/);
  });

  it('escape values for where they go, whatever they are', () => {
    const strings = fc.oneof(fc.string({ unit: 'binary' }), fc.string());
    fc.assert(
      fc.property(strings, strings, (door, reason) => {
        const call: SinkCall = { ...CALL, grant: { ...CALL.grant, door }, reason };
        const json: unknown = JSON.parse(
          render('{"a":"{{door}}","b":["{{reason}}"]}', call, escapeJson),
        );
        assert.deepEqual(json, { a: door, b: [reason] });
        const html = render('{{door}}{{reason}}', call, escapeHtml);
        assert.doesNotMatch(html, /[<>"'\p{Cc}\u2028\u2029\u202e]|&(?!(amp|lt|gt|quot|#39);)/u);
        assert.doesNotMatch(
          render('{{door}}{{reason}}', call, escapePlain),
          /[\p{Cc}\u2028\u202e]/u,
        );
      }),
    );
  });

  it('cut a reason that is too long for a chat', () => {
    const failed: SinkCall = { ...CALL, event: 'failed', reason: '€'.repeat(1001) };
    assert.equal(render('{{reason}}', failed), `${'€'.repeat(1000)}…`);
    assert.equal([...render('{{summary}}', failed)].length < 1100, true);
  });

  it('a value with braces is not a template', () => {
    const grant = { ...CALL.grant, door: '{{source}}' };
    assert.equal(render('{{door}}', { ...CALL, grant }), '{{source}}');
  });
});

describe('templates in files', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'postern-template-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const refused = (file: string, message: RegExp) =>
    assert.rejects(loadTemplate(file, '[webhook:ops]'), { code: 'POSTERN_E_SINK', message });

  it('are read, a byte order mark left out', async () => {
    await writeFile(join(dir, 'body'), '\ufeff{{door}}!\n', { mode: 0o644 });
    const template = await loadTemplate(join(dir, 'body'), '[webhook:ops]');
    assert.equal(renderTemplate(template, templateValues(CALL), escapePlain), 'ssh!\n');
  });

  it('are refused with path, line and column', async () => {
    const file = join(dir, 'body');
    await writeFile(file, 'one\n {{two}}');
    await refused(file, /^\[webhook:ops\]: the template \/.*\/body, line 2, column 2: there is no/);
    await writeFile(file, Buffer.from([0x61, 0xff, 0xfe]));
    await refused(file, /not text in UTF-8/);
    await writeFile(file, 'x'.repeat(65_537));
    await refused(file, /larger than 65536 bytes/);
    await refused(join(dir, 'none'), /\/none does not exist/);
    await refused(dir, /is a directory/);
  });

  it('are refused when others can change them (T8)', async () => {
    const file = join(dir, 'body');
    await writeFile(file, '{{door}}');
    await chmod(file, 0o664);
    await refused(file, /can be written by its group; chmod go-w it/);
  });
});
