import assert from 'node:assert/strict';
import fc from 'fast-check';
import PostalMime from 'postal-mime';
import { compose, mailboxOf } from '../../../sinks/email/message.js';
import { loadTexts, type Texts } from '../../../sinks/email/texts.js';
import type { SinkCall } from '../../../sinks/types.js';
import { EmailBench, GRANT, never, random } from './bench.js';

/** What tries to be more than a value. */
const HOSTILE = [
  '\r\nBcc: evil@example.org',
  '\nSubject: x',
  '\r\n\r\n<script>',
  '\r\n.\r\nMAIL FROM:<evil@example.org>\r\n',
  '=?utf-8?q?=0D=0ABcc:_evil@example.org?=',
  '\u2028Bcc: x',
  '\u202eevil',
  '</td></table><img src=https://evil.example/x>',
  '"><a href="https://evil.example">',
  "' onmouseover='x",
  '&lt;b&gt;',
  '{{door}}',
  '<evil@example.org>',
  '"; rm -rf /; "',
  '\u0000\u001b[31m',
  '--_NmP-x-Part_1',
  '\ud800',
  'é€😀',
  'x'.repeat(3000),
];

const value = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary' }), fc.constant(' ')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(''));

const call: fc.Arbitrary<SinkCall> = fc
  .record({
    event: fc.constantFrom('open', 'close', 'failed'),
    door: value,
    host: value,
    id: value,
    reason: value,
  })
  .map(({ event, door, host, id, reason }) => ({
    event,
    atMs: GRANT.atMs ?? 0,
    grant: { ...GRANT, door, host, id },
    ...(event === 'failed' && { reason }),
  }));

const HEADERS = [
  'auto-submitted',
  'content-type',
  'date',
  'from',
  'message-id',
  'mime-version',
  'subject',
  'to',
  'x-auto-response-suppress',
  'x-postern-event',
];

const TAGS =
  /^(?:!doctype html|\/?(?:html|head|body|h1|p|div|strong|ol|li|code|br|table|tr|th|td)|meta|b|\/b)$/;

describe('values that try to be more (T7)', () => {
  let bench: EmailBench;
  before(async () => {
    bench = await EmailBench.create();
    await bench.fresh();
  });
  after(() => bench.dispose());

  const envelope = {
    id: '<id@example.net>',
    from: mailboxOf('Postern <postern@example.net>'),
    to: [mailboxOf('ops@example.net')],
  };

  async function assertTame(calls: readonly SinkCall[], texts: Texts): Promise<void> {
    const raw = (await compose(envelope, calls, texts)).toString('latin1');
    assert.doesNotMatch(raw, /[^\r]\n|\r[^\n]|[^\t\r\n\x20-\x7e]/);
    assert.ok(raw.split('\r\n').every((line) => line.length <= 998));
    const parsed = await PostalMime.parse(raw);
    assert.deepEqual(parsed.headers.map(({ key }) => key).sort(), HEADERS);
    assert.deepEqual(parsed.to, [{ name: '', address: 'ops@example.net' }]);
    assert.equal(parsed.attachments.length, 0);
    assert.match(parsed.subject ?? '', /^[^\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e]+$/u);
    assert.ok([...(parsed.subject ?? '')].length <= 151);
    assert.doesNotMatch(parsed.text ?? '', /[^\P{Cc}\r\n]|[\p{Zl}\p{Zp}\u202a-\u202e]/u);
    for (const [, tag = ''] of (parsed.html ?? '').matchAll(/<([^\s>]*(?: html)?)[^>]*>?/g))
      assert.match(tag, TAGS);
    // What is quoted in attributes is ours alone.
    assert.doesNotMatch(parsed.html ?? '', /<[^>]*(?:evil|onmouseover|src=|href=)/);
  }

  it('are values in headers, text and HTML, with our words and with templates', async () => {
    const own = await loadTexts({}, '[x]');
    const templated = await loadTexts(
      {
        subjectFile: await bench.file('subject', '{{door}}{{reason}}{{summary}}x'),
        textFile: await bench.file('text', '{{door}} {{host}} {{reason}} {{summary}}'),
        htmlFile: await bench.file('html', '<b>{{door}}{{host}}{{reason}}{{summary}}</b>'),
      },
      '[x]',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 3 }), async (calls) => {
        await assertTame(calls, own(calls));
        await assertTame(calls, templated(calls));
      }),
      random(200),
    );
  });

  it('reach the server as one message to those who are named', async () => {
    const sink = await bench.sink();
    for (const [index, door] of HOSTILE.entries())
      await sink.failed?.({ ...GRANT, id: `${index}${door}`, door, host: door }, door, never);
    assert.equal(bench.server.taken.length, HOSTILE.length);
    for (const { from, to, parsed } of bench.server.taken) {
      assert.deepEqual([from, to], ['postern@example.net', ['ops@example.net']]);
      assert.match(parsed.text ?? '', /nobody reads an answer/);
      assert.deepEqual([parsed.bcc ?? [], parsed.cc ?? []], [[], []]);
    }
  });
});
