import assert from 'node:assert/strict';
import type { EmailSettings } from '../../../sinks/settings.js';
import { EmailBench, failureOf, GRANT, never } from './bench.js';
import { PASSWORD, USER } from './mail-server.js';
import { ScriptedServer } from './scripted-server.js';

describe('TLS of an e-mail', () => {
  let bench: EmailBench;
  before(async () => {
    bench = await EmailBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const send = async (changes: Partial<EmailSettings> = {}, timeoutMs = 5000) =>
    (await bench.sink(changes, { timeoutMs })).open(GRANT, never);

  it('is there from the first byte', async () => {
    await bench.fresh({ secure: true });
    await send({ tls: 'implicit' });
    assert.equal(bench.server.taken[0]?.isSecure, true);
  });

  it('is there by STARTTLS before anything is said', async () => {
    await send({ user: USER, passwordFile: bench.at('password') });
    assert.equal(bench.server.taken[0]?.isSecure, true);
    assert.equal(bench.server.taken[0]?.user, USER);
  });

  it('is not there to a relay on this host that is said to have none', async () => {
    await bench.fresh({ hideSTARTTLS: true, allowInsecureAuth: true });
    await send({ tls: 'off', host: '127.0.0.1' });
    await send({ tls: 'off', user: USER, passwordFile: bench.at('password') });
    assert.deepEqual(
      bench.server.taken.map(({ isSecure, user }) => [isSecure, user]),
      [
        [false, undefined],
        [false, USER],
      ],
    );
  });

  it('is not missing to a name that leads to another host, or may', async () => {
    for (const addresses of [['192.0.2.1'], ['127.0.0.1', '192.0.2.1'], ['::1', '2001:db8::1']]) {
      const resolve = async () =>
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      const sink = await bench.sink({ tls: 'off', host: 'localhost' }, { resolve });
      const { message, isLasting } = await failureOf(sink.open(GRANT, never));
      assert.match(message, /^tls = off, and localhost has the address [0-9a-f.:]+, which is not/);
      assert.equal(isLasting, true);
    }
    assert.equal(bench.server.connections, 0);
  });

  describe('that is taken away on the way', () => {
    let scripted: ScriptedServer | undefined;
    afterEach(() => scripted?.close());

    async function downgraded(script: ConstructorParameters<typeof ScriptedServer>[0]) {
      scripted = await new ScriptedServer(script).listen();
      const auth = { user: USER, passwordFile: bench.at('password') };
      const failure = await failureOf(send({ port: scripted.port, ...auth }, 500));
      assert.doesNotMatch(scripted.heard, /AUTH|MAIL|RCPT|DATA/);
      assert.ok(!scripted.heard.includes(Buffer.from(PASSWORD).toString('base64')));
      return failure;
    }

    it('sends nothing when the server offers none', async () => {
      const { message } = await downgraded({ EHLO: '250-mail.test\r\n250 AUTH PLAIN' });
      assert.match(message, /offers no STARTTLS \(502\), and nothing is sent without/);
    });

    it('sends nothing when the server refuses it', async () => {
      const { message } = await downgraded({ STARTTLS: '454 4.7.0 not now' });
      assert.match(message, /offers no STARTTLS \(454 4\.7\.0\)/);
    });

    it('sends nothing when the server knows no EHLO', async () => {
      await downgraded({ EHLO: '502 no' });
    });

    it('sends nothing when no TLS follows', async () => {
      await downgraded({ STARTTLS: '220 go on\r\n250 mail.test\r\n250 AUTH PLAIN\r\n' });
      await scripted?.close();
      await downgraded({ STARTTLS: '220 go on\r\n\u0015\u0003\u0001\u0000\u0002\u0002\u0028' });
    });

    it('sends nothing when the server says at once that all is well', async () => {
      await downgraded({ greeting: '220 mail.test\r\n250 AUTH PLAIN\r\n250 x\r\n235 x\r\n250 x' });
    });
  });

  describe('by a certificate', () => {
    const untrusted = async (changes: Partial<EmailSettings>) => {
      for (const tls of ['starttls', 'implicit'] as const) {
        await bench.fresh({ secure: tls === 'implicit' });
        const failure = await failureOf(send({ tls, ...changes }));
        assert.match(
          failure.message,
          /the certificate of .*:\d+ cannot be trusted \(ca_file says whom to trust\) \([A-Z_]+\)$/,
        );
        assert.equal(bench.server.contents.length, 0);
      }
    };

    it('of somebody else is refused', () => untrusted({ caFile: bench.certificates.otherCaFile }));

    it('that the system does not know is refused', async () => {
      const { caFile: _, ...settings } = bench.settings();
      const { createEmail } = await import('../../../sinks/email/email.js');
      const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
      const sink = await createEmail(settings, { log: bench.log, resolve });
      const { message } = await failureOf(sink.open(GRANT, never));
      assert.match(message, /cannot be trusted/);
    });

    it('of another name is refused', () => untrusted({ host: 'other.test' }));

    it('of an address is taken for that address', async () => {
      await send({ host: '127.0.0.1' });
      await bench.fresh({ secure: true });
      await send({ host: '127.0.0.1', tls: 'implicit' });
      assert.equal(bench.server.taken.length, 1);
    });

    it('is looked at whatever the environment says', async () => {
      const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      try {
        await untrusted({ caFile: bench.certificates.otherCaFile });
      } finally {
        if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
      }
    });
  });
});
