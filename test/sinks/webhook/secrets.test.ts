import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import type { WebhookSettings } from '../../../sinks/settings.js';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { escapeFields } from '../../../src/log/escape-fields.js';
import { GRANT, SECRET, WebhookBench } from './bench.js';
import { answers, type Behaviour } from './receiver.js';

/** As in the URL, decoded, and as headers carry them. */
const SECRETS = [
  'usr-7f3a',
  'pass-19bd',
  'token-c0ffee',
  'query-5eed',
  Buffer.from('usr-7f3a:pass-19bd').toString('base64'),
  SECRET,
  SECRET.slice('whsec_'.length),
  Buffer.from(SECRET.slice('whsec_'.length), 'base64').toString('hex'),
];

describe('a failed webhook (T9, T16)', () => {
  let bench: WebhookBench;
  before(async () => {
    bench = await WebhookBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const secretUrl = (host = `receiver.test:${bench.receiver.port}`, scheme = 'https') =>
    `${scheme}://usr-7f3a:pass-19bd@${host}/token-c0ffee?key=query-5eed#token-c0ffee`;

  /** Fails in that way; gives all that anybody could print of it. */
  async function shown(changes: Partial<WebhookSettings>, behaviour?: Behaviour): Promise<string> {
    if (behaviour !== undefined) bench.receiver.behaviours = [behaviour];
    const error: unknown = await bench
      .sink({ url: secretUrl(), ...changes })
      .then((sink) => sink.open(GRANT, new AbortController().signal))
      .then(
        () => 'delivered',
        (reason: unknown) => reason,
      );
    assert.ok(error instanceof Error, String(error));
    return [
      inspect(error, { depth: 20, showHidden: true }),
      JSON.stringify(escapeFields({ error })),
      inspect(bench.log.entries, { depth: 20 }),
    ].join('\n');
  }

  function assertSilent(text: string): void {
    for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} in ${text}`);
  }

  it('shows no secret, whatever the answer', async () => {
    for (const status of [
      '302 Found',
      '400 Bad',
      '401 Unauthorized',
      '410 Gone',
      '429 X',
      '500 X',
    ]) {
      const echo: Behaviour = (socket, { line, headers, body }) =>
        answers(
          `${status} ${line}`,
          [`Location: ${secretUrl()}`, `Retry-After: ${line} ${headers['authorization']}`],
          body,
        )(socket, { line, headers, body });
      assertSilent(await shown({}, echo));
      assert.equal(
        bench.receiver.requests.at(-1)?.line,
        'POST /token-c0ffee?key=query-5eed HTTP/1.1',
      );
    }
  });

  it('shows no secret, whatever goes wrong on the way', async () => {
    const texts = [
      await shown({ timeoutMs: 300 }, () => undefined),
      await shown({}, (socket) => socket.destroy()),
      await shown({}, (socket, { line }) => socket.end(`${line}\r\n${line}\r\n\r\n`)),
      await shown({ caFile: bench.certificates.otherCaFile }),
      await shown({ url: secretUrl(`usr.test:${bench.receiver.port}`) }),
      await shown({ url: secretUrl('127.0.0.1:1') }),
      await shown({ url: secretUrl('127.0.0.1', 'http'), privateTargets: false }),
      await shown({ privateTargets: false }),
    ];
    for (const text of texts) assertSilent(text);
    assert.match(
      texts[7] ?? '',
      /receiver\.test has the address 127\.0\.0\.1, which is not public/,
    );
    const dns = await createWebhook(bench.settings({ url: secretUrl('receiver.invalid') }), {
      log: bench.log,
    });
    await assert.rejects(dns.open(GRANT, new AbortController().signal), (error) => {
      assertSilent(inspect(error, { depth: 20, showHidden: true }));
      return true;
    });
  });

  it('shows no secret when its section cannot be used', async () => {
    const none = bench.at('none');
    await writeFile(bench.at('bad'), `${SECRET.slice(6)}\n`, { mode: 0o600 });
    const broken: Partial<WebhookSettings>[] = [
      { url: secretUrl('h:99999999') },
      { url: secretUrl('[::1') },
      { url: secretUrl().replace('pass-19bd', 'pass-19bd%zz') },
      { url: secretUrl('h', 'gopher') },
      { secretFile: none },
      { secretFile: bench.at('bad') },
      { caFile: none },
      { bodyFile: none },
      { bodyFile: bench.at('bad') },
    ];
    for (const changes of broken) {
      const text = await shown(changes);
      assert.match(text, /POSTERN_E_SINK/);
      assertSilent(text);
    }
  });

  it('shows no secret of one that is delivered', async () => {
    const sink = await bench.sink({ url: secretUrl() });
    await sink.open(GRANT, new AbortController().signal);
    assertSilent(inspect([bench.log.entries, sink], { depth: 20, showHidden: true }));
  });
});
