import assert from 'node:assert/strict';
import { calls, EmailBench, GRANT, never } from './bench.js';
import type { Taken } from './mail-server.js';

describe('a message of the e-mail sink', () => {
  let bench: EmailBench;
  before(async () => {
    bench = await EmailBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  function only(): Taken {
    assert.equal(bench.server.taken.length, 1);
    return bench.server.taken[0]!;
  }
  const header = (message: Taken, key: string) =>
    message.parsed.headers.filter((found) => found.key === key).map(({ value }) => value);

  it('says what was opened, for whom and until when', async () => {
    const sink = await bench.sink({ to: ['ops@example.net', 'Night Shift <night@example.net>'] });
    await sink.open(GRANT, never);
    const message = only();
    const { parsed } = message;
    assert.equal(message.from, 'postern@example.net');
    assert.deepEqual(message.to, ['ops@example.net', 'night@example.net']);
    assert.deepEqual(parsed.from, { name: 'Postern', address: 'postern@example.net' });
    assert.deepEqual(parsed.to, [
      { name: '', address: 'ops@example.net' },
      { name: 'Night Shift', address: 'night@example.net' },
    ]);
    assert.equal(parsed.subject, '[postern] door ssh opened for 192.0.2.7 on bastion');
    assert.equal(parsed.date, '2026-01-02T03:04:06.000Z');
    assert.match(parsed.messageId ?? '', /^<[0-9a-f]{40}@example\.net>$/);
    assert.equal(
      parsed.text?.trimEnd(),
      `door ssh opened for 192.0.2.7 on bastion

Event:  opened
Door:   ssh
Source: 192.0.2.7
Host:   bastion
When:   2026-01-02T03:04:06.000Z
Until:  2026-01-02T03:05:05.000Z
Grant:  bastion-1700000000000-0

-- 
postern sends this by itself; nobody reads an answer.`,
    );
    for (const value of [GRANT.id, '192.0.2.7', '2026-01-02T03:05:05.000Z'])
      assert.match(parsed.html ?? '', new RegExp(`<td[^>]*>${value}</td>`));
    assert.deepEqual(parsed.attachments, []);
  });

  it('asks nobody and nothing for an answer', async () => {
    await (await bench.sink()).open(GRANT, never);
    const message = only();
    assert.deepEqual(header(message, 'auto-submitted'), ['auto-generated']);
    assert.deepEqual(header(message, 'x-auto-response-suppress'), ['All']);
    assert.deepEqual(header(message, 'x-postern-event'), ['open']);
  });

  it('tells of a close, and of a door that stays open', async () => {
    const sink = await bench.sink();
    await sink.close?.(GRANT, never);
    await sink.open({ ...GRANT, untilMs: null, leftMs: null }, never);
    const [closed, open] = bench.server.taken.map(({ parsed }) => parsed);
    assert.match(closed?.subject ?? '', /door ssh closed for/);
    assert.doesNotMatch(closed?.text ?? '', /Until/);
    assert.match(open?.text ?? '', /^Until: {2}it is closed by hand$/m);
  });

  it('says loudly of a failure what to do', async () => {
    await (await bench.sink()).failed?.(GRANT, 'exec: ended with status 1', never);
    const { parsed } = only();
    assert.match(parsed.subject ?? '', /door ssh FAILED for 192\.0\.2\.7 on bastion/);
    for (const text of [
      'MAY STILL BE OPEN',
      'postern status',
      'postern close ssh 192.0.2.7',
      'exec: ended with status 1',
    ])
      for (const part of [parsed.text, parsed.html]) assert.ok(part?.includes(text), text);
  });

  it('puts no name into a command that a shell would read as more', async () => {
    const sink = await bench.sink();
    for (const door of ['a b', '$(reboot)', '-x', 'a;b', 'é'])
      await sink.failed?.({ ...GRANT, door }, 'no', never);
    assert.equal(bench.server.taken.length, 5);
    for (const { parsed } of bench.server.taken)
      assert.match(parsed.text ?? '', /^ {3}postern close DOOR 192\.0\.2\.7$/m);
  });

  it('is marked when it is a test', async () => {
    await (await bench.sink()).open({ ...GRANT, isTest: true }, never);
    const { parsed } = only();
    assert.match(parsed.subject ?? '', /^\[postern\] TEST: door ssh/);
    assert.match(parsed.text ?? '', /This is a test: nobody knocked\./);
    assert.match(parsed.html ?? '', /This is a test: nobody knocked\./);
  });

  it('is sent of the events that the section names', async () => {
    const sink = await bench.sink({ events: ['failed'] });
    await sink.open(GRANT, never);
    await sink.together?.(calls(GRANT, ['open']), never);
    assert.equal(bench.server.connections, 0);
    assert.equal(sink.close, undefined);
    await sink.together?.(calls(GRANT, ['open', 'failed', 'open']), never);
    assert.match(only().parsed.subject ?? '', /door ssh FAILED for 192\.0\.2\.2/);
    assert.equal((await bench.sink({ events: ['open'] })).failed, undefined);
  });

  describe('of many grants', () => {
    it('shows all of them, failures first', async () => {
      await (await bench.sink()).together?.(
        calls(GRANT, ['open', 'close', 'failed', 'open']),
        never,
      );
      const { parsed } = only();
      assert.equal(parsed.subject, '[postern] door ssh: 1 FAILED, 2 opened, 1 closed');
      assert.equal(parsed.date, '2026-01-02T03:04:03.000Z');
      const lines = (parsed.text ?? '').split('\n').filter((line) => line.startsWith('- 2'));
      assert.deepEqual(lines, [
        '- 2026-01-02T03:04:02.000Z  FAILED for 192.0.2.3 on bastion',
        '- 2026-01-02T03:04:00.000Z  opened for 192.0.2.1 on bastion, until 2026-01-02T03:05:05.000Z',
        '- 2026-01-02T03:04:01.000Z  closed for 192.0.2.2 on bastion',
        '- 2026-01-02T03:04:03.000Z  opened for 192.0.2.4 on bastion, until 2026-01-02T03:05:05.000Z',
      ]);
      assert.match(parsed.text ?? '', /exec: reason 2/);
      assert.match(parsed.text ?? '', /postern close ssh 192\.0\.2\.3/);
      assert.equal(parsed.html?.match(/<tr>/g)?.length, 5);
      assert.deepEqual(header(only(), 'x-postern-event'), ['close, failed, open']);
    });

    it('says of many failures what to do about them', async () => {
      const sink = await bench.sink();
      await sink.together?.(calls(GRANT, ['failed', 'failed']), never);
      assert.match(only().parsed.text ?? '', /^ {3}postern close ssh SOURCE$/m);
    });

    it('shows a hundred of more, and how many more there are', async () => {
      const events = Array.from({ length: 250 }, (_, index) =>
        index === 249 ? ('failed' as const) : ('open' as const),
      );
      await (await bench.sink()).together?.(calls(GRANT, events), never);
      const { parsed } = only();
      assert.equal(parsed.text?.match(/^- 2026/gm)?.length, 100);
      assert.match(parsed.text ?? '', /^and 150 more$/m);
      assert.match(parsed.text ?? '', /exec: reason 249/);
      assert.equal(parsed.html?.match(/<tr>/g)?.length, 101);
      assert.match(parsed.html ?? '', /<p>and 150 more<\/p>/);
      assert.match(parsed.subject ?? '', /1 FAILED, 249 opened/);
    });

    it('are collected as long as the section says', async () => {
      assert.equal((await bench.sink()).delivery?.collectMs, 60_000);
      const alone = await bench.sink({ collectMs: 0 });
      assert.deepEqual([alone.delivery?.collectMs, alone.together], [undefined, undefined]);
    });
  });

  describe('by templates', () => {
    it('has their subject, text and HTML, with values escaped for each', async () => {
      const sink = await bench.sink({
        subjectFile: await bench.file('subject', '{{event}}: {{door}}\n'),
        textFile: await bench.file('text', 'door {{door}}\nfor {{source}}\n'),
        htmlFile: await bench.file('html', '<b>{{door}}</b>'),
      });
      await sink.open({ ...GRANT, door: '<i>"é"\n' }, never);
      const { parsed } = only();
      assert.equal(parsed.subject, 'open: <i>"é"\\u000a');
      assert.equal(parsed.text?.trimEnd(), 'door <i>"é"\\u000a\nfor 192.0.2.7');
      assert.match(parsed.html ?? '', /\n<b>&lt;i&gt;&quot;é&quot;\\u000a<\/b>\n/);
    });

    it('says each of many, up to a hundred', async () => {
      const sink = await bench.sink({
        subjectFile: await bench.file('subject', '{{source}}'),
        textFile: await bench.file('text', 'for {{source}}'),
      });
      await sink.together?.(calls(GRANT, Array(102).fill('open')), never);
      const { parsed } = only();
      assert.equal(parsed.subject, '(102) 192.0.2.1');
      assert.match(parsed.text ?? '', /^for 192\.0\.2\.1\nfor 192\.0\.2\.2\n/);
      assert.match(parsed.text ?? '', /for 192\.0\.2\.100\nand 2 more\s*$/);
      assert.equal(parsed.html, undefined);
    });

    it('has a text of ours beside an HTML of theirs', async () => {
      const sink = await bench.sink({ htmlFile: await bench.file('html', '<b>{{door}}</b>') });
      await sink.open(GRANT, never);
      assert.match(only().parsed.text ?? '', /^door ssh opened/);
    });
  });
});
