import assert from 'node:assert/strict';
import { chmod, chown, writeFile } from 'node:fs/promises';
import { createEmail } from '../../../sinks/email/email.js';
import type { EmailSettings } from '../../../sinks/settings.js';
import { EmailBench } from './bench.js';

describe('an e-mail sink of the configuration', () => {
  let bench: EmailBench;
  let file = '';
  before(async () => {
    bench = await EmailBench.create();
    await bench.fresh();
    file = bench.at('file');
  });
  after(() => bench.dispose());

  const refused = (changes: Partial<EmailSettings>, message: RegExp) =>
    assert.rejects(createEmail(bench.settings(changes), { log: bench.log }), (error: Error) => {
      assert.match(error.message, /^\[email:oncall\]: /);
      assert.doesNotMatch(error.message, /c0ffee|\n/);
      assert.match(error.message, message);
      assert.equal('code' in error && error.code, 'POSTERN_E_SINK');
      return true;
    });

  async function holding(text: string, mode = 0o600): Promise<void> {
    await writeFile(file, text);
    await chmod(file, mode);
  }

  it('has its name, and is told by deliveries', async () => {
    const sink = await bench.sink();
    assert.equal(sink.name, 'email:oncall');
    assert.equal(typeof sink.delivery?.retryAfterMs, 'function');
    assert.equal(bench.server.connections, 0);
  });

  describe('its password', () => {
    const password = (message: RegExp) => refused({ user: 'u', passwordFile: file }, message);

    it('is refused when others may read or change it', async () => {
      for (const mode of [0o640, 0o604]) {
        await holding('c0ffee', mode);
        await password(/file is open to group or others: chmod 600/);
      }
      await holding('c0ffee', 0o620);
      await password(/can be written by its group/);
    });

    it('is refused when a third user owns it', async function () {
      if (process.geteuid?.() !== 0) this.skip();
      await holding('c0ffee');
      await chown(file, 4242, 4242);
      await password(/file belongs to user 4242/);
      await chown(file, 0, 0);
    });

    it('is refused when it is not there, or is none', async () => {
      await refused({ user: 'u', passwordFile: bench.at('none') }, /\/none does not exist/);
      await holding('\n');
      await password(/is empty, and must hold the password/);
      for (const text of ['c0ffee\nc0ffee\n', 'c0ffee\0', 'c0ffee\n\n']) {
        await holding(text);
        await password(/must hold one line/);
      }
    });

    it('and its user come together', async () => {
      await refused({ user: 'u' }, /give user and password_file, or none/);
      await refused({ passwordFile: file }, /give user and password_file, or none/);
    });
  });

  it('is refused when it would send in the clear to another host', async () => {
    for (const host of ['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', '0.0.0.0'])
      await refused({ tls: 'off', host }, /is not this host alone: write tls = starttls/);
    for (const host of ['127.0.0.1', '127.1.2.3', '::1'])
      await createEmail(bench.settings({ tls: 'off', host }), { log: bench.log });
  });

  it('is refused with certificates that are none, or that others may change', async () => {
    await holding('hello');
    await refused({ caFile: file }, /holds no certificate in PEM/);
    await holding('', 0o664);
    await refused({ caFile: file }, /can be written by its group/);
  });

  describe('its templates', () => {
    it('are refused with line and column, or when others may change them', async () => {
      for (const name of ['subjectFile', 'textFile', 'htmlFile']) {
        await holding('a {{dor}}');
        await refused({ [name]: file }, /the template \/.*\/file, line 1, column 3: there is no/);
        await holding('a', 0o666);
        await refused({ [name]: file }, /can be written by/);
      }
    });

    it('are refused when a subject is not one line', async () => {
      for (const text of ['', '\n', 'a\nb', 'a\r\nBcc: x', '\na']) {
        await holding(text);
        await refused({ subjectFile: file }, /is a subject, and must be one line/);
      }
      await holding('{{door}}\r\n');
      await bench.sink({ subjectFile: file });
    });
  });
});
