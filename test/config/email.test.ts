import assert from 'node:assert/strict';
import type { SinkSettings } from '../../sinks/settings.js';
import { loads, saidOf } from './support/parsed.js';

const PEOPLE = ['from = postern@example.net', 'to = ops@example.net'];

/** The section with these lines behind its first three. */
const section = (...lines: readonly string[]) => ['[email:x]', ...PEOPLE, ...lines].join('\n');

function emailOf(...lines: readonly string[]): SinkSettings {
  const { sinks } = loads(section(...lines));
  return sinks[0]!;
}

/** Host, port and protection, as `HOST:PORT TLS USER`. */
function serverOf(...lines: readonly string[]): string {
  const email = emailOf(...lines);
  assert.ok(email.kind === 'email');
  const { host, port, tls, user = '' } = email;
  return `${host}:${port} ${tls} ${user}`.trimEnd();
}

const said = (...lines: readonly string[]) =>
  saidOf(section(...lines)).filter((line) => !line.includes('NO_DOORS'));

describe('[email:NAME]', () => {
  it('is read, with its defaults', () => {
    const plain = {
      ...{ kind: 'email', name: 'email:x', line: 1, host: 'mail.example.net', port: 587 },
      ...{ tls: 'starttls', from: 'postern@example.net', to: ['ops@example.net'] },
      ...{ events: ['open', 'failed'], collectMs: 60_000 },
    };
    assert.deepEqual(emailOf('host = mail.example.net'), plain);
    const lines = [
      'Host = mail.example.net',
      'port = 2525',
      'user = me',
      'password_file = /p',
      'tls = Implicit',
      'ca_file = /c',
      'events = close',
      'collect = 0',
      'subject = s.txt',
      'text = t.txt',
      'html = h.html',
    ];
    assert.deepEqual(emailOf(...lines), {
      ...{ ...plain, port: 2525, tls: 'implicit', user: 'me', passwordFile: '/p', caFile: '/c' },
      ...{ events: ['close'], collectMs: 0 },
      ...{ subjectFile: 's.txt', textFile: 't.txt', htmlFile: 'h.html' },
    });
  });

  it('takes a server by URL or by host and port, and finds port and TLS from each other', () => {
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['h:587 starttls', ['url = smtp://h']],
      ['h:25 starttls', ['url = SMTP://h:25/']],
      ['h:465 implicit', ['url = smtps://h']],
      ['h:4465 implicit', ['url = smtps://h:4465', 'tls = implicit']],
      ['h:465 implicit', ['url = smtp://h:465']],
      ['h:465 starttls', ['url = smtp://h:465', 'tls = starttls']],
      ['h:465 implicit', ['host = h', 'tls = implicit']],
      ['h:465 implicit', ['host = h', 'port = 465']],
      ['h:26 starttls', ['url = smtp://h', 'port = 26']],
      ['2001:db8::1:587 starttls', ['url = smtp://[2001:0db8::1]']],
      ['2001:db8::1:587 starttls', ['host = [2001:db8:0::1]']],
      ['192.0.2.1:587 starttls', ['host = 192.0.2.1']],
      ['localhost:25 off', ['host = localhost', 'tls = off']],
      ['127.0.0.9:25 off', ['url = smtp://127.0.0.9', 'tls = off']],
      ['::1:2525 off', ['url = smtp://[::1]:2525', 'tls = off']],
      ['h:587 starttls me@b.example', ['url = smtp://me@b.example@h', 'password_file = /p']],
      ['h:587 starttls a b', ['url = smtp://a%20b@h', 'password_file = /p']],
    ];
    for (const [server, lines] of cases) assert.equal(serverOf(...lines), server);
  });

  it('takes no password in a URL, and does not quote it', () => {
    for (const url of ['smtp://me:hunter2@h', 'smtps://:hunter2@h:465', 'smtp://me:hun%74er2@h']) {
      const found = said(`url = ${url}`);
      assert.equal(found.length, 1);
      assert.match(found[0]!, /^4:7 error POSTERN_E_CONFIG_VALUE url .*password_file = FILE/);
      assert.doesNotMatch(found[0]!, /hun|ter#/);
    }
  });

  it('says what is wrong with a server', () => {
    for (const url of [
      ...['mail.example.net', 'http://h', 'smtp://', 'smtp://h/path', 'smtp://h?x=1', 'smtp://h#x'],
      ...['smtp://h:0', 'smtp://h:70000', 'smtp://a b', 'smtp://%zz@h', 'smtp://h%0a', ''],
    ])
      assert.match(said(`url = ${url}`)[0] ?? '', /^4:\d+ error .*url takes a URL/, url);
    for (const host of ['', 'a b', 'h:25', 'me@h', '[::1', '-h', 'http://h'])
      assert.match(said(`host = ${host}`)[0] ?? '', /^4:\d+ error .*host takes/, host);
    for (const port of ['0', '65536', 'smtp'])
      assert.match(said('host = h', `port = ${port}`)[0] ?? '', /^5:8 error .*port takes/, port);
  });

  it('says what does not go together', () => {
    const cases: readonly (readonly [RegExp, readonly string[]])[] = [
      [/^5:8 error .*host stands in url too/, ['url = smtp://h', 'host = h']],
      [/^5:8 error .*port stands in url too/, ['url = smtp://h:25', 'port = 25']],
      [/^5:8 error .*user stands in url/, ['url = smtp://a@h', 'user = a', 'password_file = /p']],
      [/^5:8 error .*user needs a password/, ['host = h', 'user = a']],
      [/^4:7 error .*user needs a password/, ['url = smtp://a@h']],
      [/^5:17 error .*password_file is a user's/, ['host = h', 'password_file = /p']],
      [/^5:7 error .*contradicts url/, ['url = smtps://h', 'tls = starttls']],
      [/^5:11 error .*ca_file is for TLS/, ['host = ::1', 'ca_file = /c', 'tls = off']],
    ];
    for (const [pattern, lines] of cases) {
      const found = said(...lines);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, pattern);
    }
  });

  it('leaves nothing but this host itself without TLS', () => {
    for (const host of [
      'mail.example.net',
      '192.0.2.1',
      '10.0.0.1',
      'localhost.example.net',
      '::2',
    ])
      assert.match(said(`host = ${host}`, 'tls = off').join(), /^5:7 error .*this host alone/);
    assert.match(said('url = smtps://localhost', 'tls = off').join(), /^5:7 error .*contradicts/);
  });

  it('takes addresses that a header can hold', () => {
    const withPeople = (from: string, to: string) =>
      saidOf(`[email:x]\nhost = h\nfrom = ${from}\nto = ${to}`);
    const { sinks } = loads(
      '[email:x]\nhost = h\nfrom = Postern at h <p@h>\nto = a@b.c ,Ö <ö@b.c>,a@b.c',
    );
    const { from, to } = { from: 'Postern at h <p@h>', to: ['a@b.c', 'Ö <ö@b.c>'] };
    assert.deepEqual({ ...sinks[0], from, to }, sinks[0]);
    for (const bad of [
      ...['', 'me', '@b', 'a@', 'a@b@c', 'a b@c', 'a@b c@d', '<a@b>, x', 'a@b; c@d', 'x <a@b> y'],
      ...['a\u0001@b', 'a@b\u2028Bcc: e@f', 'N\u000bBcc: x <a@b>', '"a,b" <a@b>', 'x <<a@b>>'],
      `${'x'.repeat(255)}@b`,
    ]) {
      assert.match(withPeople(bad, 'a@b')[0] ?? '', /^3:\d+ error /, bad);
      assert.match(withPeople('a@b', `a@b, ${bad}`)[0] ?? '', /^4:\d+ error /, bad);
    }
    assert.match(withPeople('a@b', 'a@b, x, c@d')[0] ?? '', /^4:11 error .*none at entry 2/);
    const many = Array.from({ length: 51 }, (_, index) => `a@${index}`).join();
    assert.match(withPeople('a@b', many)[0] ?? '', /50 addresses at most/);
  });
});
