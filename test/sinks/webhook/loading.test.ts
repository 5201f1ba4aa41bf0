import assert from 'node:assert/strict';
import { chmod, chown, writeFile } from 'node:fs/promises';
import type { WebhookSettings } from '../../../sinks/settings.js';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { SECRET, WebhookBench } from './bench.js';

describe('a webhook of the configuration', () => {
  let bench: WebhookBench;
  let file = '';
  before(async () => {
    bench = await WebhookBench.create();
    file = bench.at('file');
  });
  after(() => bench.dispose());

  const refused = (changes: Partial<WebhookSettings>, message: RegExp) =>
    assert.rejects(createWebhook(bench.settings(changes), { log: bench.log }), (error: Error) => {
      assert.match(error.message, /^\[webhook:ops\]: /);
      assert.doesNotMatch(error.message, /MfKQ9r8G|\n/);
      assert.match(error.message, message);
      assert.equal('code' in error && error.code, 'POSTERN_E_SINK');
      return true;
    });

  async function holding(text: string | Buffer, mode = 0o600): Promise<string> {
    await writeFile(file, text);
    await chmod(file, mode);
    return file;
  }

  it('has its name, and is told by deliveries', async () => {
    const sink = await bench.sink();
    assert.equal(sink.name, 'webhook:ops');
    assert.equal(typeof sink.delivery?.retryAfterMs, 'function');
    assert.equal(sink.delivery?.collectMs, undefined);
    assert.equal(sink.kernelTimed, undefined);
  });

  describe('its secret', () => {
    const secret = (message: RegExp) => refused({ secretFile: file }, message);

    it('is refused when others may read or change it', async () => {
      for (const mode of [0o640, 0o604, 0o644, 0o610])
        await holding(SECRET, mode).then(() =>
          secret(/file is open to group or others: chmod 600/),
        );
      await holding(SECRET, 0o660);
      await secret(/can be written by its group/);
      await holding(SECRET);
      await chmod(file, 0o606);
      await secret(/can be written by everyone/);
    });

    it('is refused when a third user owns it', async function () {
      if (process.geteuid?.() !== 0) this.skip();
      await holding(SECRET);
      await chown(file, 4242, 4242);
      await secret(/file belongs to user 4242/);
      await chown(file, 0, 0);
    });

    it('is refused when it is not there, and no file', async () => {
      await refused({ secretFile: bench.at('none') }, /\/none does not exist/);
      await refused({ secretFile: bench.dir }, /is a directory/);
    });

    it('is refused when it is no secret', async () => {
      await holding('');
      await secret(
        /holds 0 secrets, and must hold one, or two; a new one is made by: echo "whsec_/,
      );
      await holding(`${SECRET}\n`.repeat(3));
      await secret(/holds 3 secrets/);
      for (const text of [
        'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        'whsk_MfKQ9r8G',
        `${SECRET} x`,
        'whsec_é',
      ])
        await holding(`# mine\n${text}\n`).then(() =>
          secret(/\(line 2\) holds no secret: whsec_ and/),
        );
      await holding(`whsec_${Buffer.alloc(23).toString('base64')}`);
      await secret(/\(line 1\) has a secret of 23 bytes, and takes 24 to 64/);
      await holding(`whsec_${Buffer.alloc(65).toString('base64')}`);
      await secret(/65 bytes/);
      await holding('x'.repeat(5000));
      await secret(/larger than 4096 bytes/);
    });
  });

  describe('its certificates', () => {
    const ca = (message: RegExp) => refused({ caFile: file }, message);

    it('are refused when others may change them', async () => {
      await holding('', 0o664);
      await ca(/file can be written by its group/);
    });

    it('may be read by all', async () => {
      await chmod(bench.certificates.caFile, 0o644);
      await bench.sink();
    });

    it('are refused when they are none', async () => {
      await refused({ caFile: bench.at('none') }, /\/none does not exist/);
      await holding('hello');
      await ca(/holds no certificate in PEM; of one in DER: openssl/);
      await holding(bench.certificates.key);
      await ca(/holds no certificate/);
      const { cert } = bench.certificates;
      const damaged = cert.toString().replace(/\n[A-Za-z0-9+/]{4}/, '\nAAAA');
      await holding(`${cert}\n${damaged}`);
      await ca(/has a damaged certificate, number 2: /);
    });

    it('are not asked for without TLS', async () => {
      await bench.sink({ url: 'http://receiver.test/', caFile: bench.at('none') });
    });
  });

  describe('its template', () => {
    const template = (message: RegExp) => refused({ bodyFile: file }, message);

    it('is refused with line and column', async () => {
      await holding('{\n "text": "{{dor}}"}');
      await template(/the template \/.*\/file, line 2, column 11: there is no \{\{dor\}\}/);
    });

    it('is refused when others may change it', async () => {
      await holding('{}', 0o666);
      await template(/can be written by/);
    });

    it('is refused when it does not make JSON, whatever the values', async () => {
      for (const text of [
        '',
        '{{door}}',
        '{"a":{{at}}}',
        '{"a":"{{door}}",}',
        '{{{"a":1}}',
        '{"a":"\\\\{{door}}"}',
        '{"a":"\\u{{at}}"}',
        '["\\u00{{at}}"]',
        '{"a": tru{{test}}e}',
        '[1{{test}}]',
      ])
        await holding(text).then(() =>
          template(/what \/.*\/file makes is not JSON|a \{\{ without/),
        );
      for (const text of [
        '{}',
        '"{{door}}"',
        '{"{{door}}":{"b":{"c":"x{{at}}y"}}}',
        '["\\\\ {{door}}"]',
      ])
        await holding(text).then(() => bench.sink({ bodyFile: file }));
    });
  });

  it('its URL is refused without being quoted', async () => {
    for (const url of [
      '',
      'ftp://u:p@h/',
      'https://',
      'http://u:p4ss@[::1/',
      'hook?MfKQ9r8G',
      'file:///etc/passwd',
      'unix:/x',
      'https://a b/',
    ])
      await refused({ url }, /: url is no http or https URL$/);
    await refused({ url: 'https://u:100%@h/' }, /: a % in the user or password of url must be/);
  });
});
