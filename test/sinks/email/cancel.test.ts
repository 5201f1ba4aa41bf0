import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { getEventListeners } from 'node:events';
import { createEmail } from '../../../sinks/email/email.js';
import { poll } from '../../support/poll.js';
import { EmailBench, GRANT, never } from './bench.js';
import { ScriptedServer } from './scripted-server.js';

/** Far below the 30 s of an attempt; a busy machine may take some of it. */
const AT_ONCE_MS = 1000;
const REASON = new Error('postern stops');

describe('an e-mail that is cancelled', () => {
  let bench: EmailBench;
  let scripted: ScriptedServer | undefined;
  before(async () => {
    bench = await EmailBench.create();
  });
  beforeEach(() => bench.fresh());
  afterEach(async () => {
    await scripted?.close();
    scripted = undefined;
  });
  after(() => bench.dispose());

  /** Ends with the reason, at once, when it is aborted where `reached` says. */
  async function cancelled(
    send: (signal: AbortSignal) => Promise<void>,
    reached: () => Promise<unknown>,
  ): Promise<void> {
    const abort = new AbortController();
    const ended = assert.rejects(send(abort.signal), (error) => error === REASON);
    await reached();
    const startedAt = performance.now();
    abort.abort(REASON);
    await ended;
    assert.ok(performance.now() - startedAt < AT_ONCE_MS);
    assert.deepEqual(getEventListeners(abort.signal, 'abort'), []);
  }

  it('before it began sends nothing', async () => {
    const sink = await bench.sink();
    await assert.rejects(sink.open(GRANT, AbortSignal.abort(REASON)), (error) => error === REASON);
    assert.equal(bench.server.connections, 0);
  });

  it('while the name is resolved connects to nothing', async () => {
    let answer: (addresses: LookupAddress[]) => void = () => {};
    let asked = 0;
    const resolve = () => {
      asked += 1;
      return new Promise<LookupAddress[]>((give) => {
        answer = give;
      });
    };
    const sink = await createEmail(bench.settings(), { log: bench.log, resolve });
    await cancelled(
      (signal) => sink.open(GRANT, signal),
      () => poll(() => asked === 1, 'the name is asked for'),
    );
    answer([{ address: '127.0.0.1', family: 4 }]);
    // A delivery that comes later than a connection of that one would.
    await (await bench.sink()).open(GRANT, never);
    assert.equal(bench.server.connections, 1);
  });

  for (const [step, heard] of [
    ['greeting', /^$/],
    ['EHLO', /^EHLO /],
    ['STARTTLS', /STARTTLS\r\n$/],
    ['MAIL', /MAIL FROM/],
    ['RCPT', /RCPT TO/],
    ['DATA', /DATA\r\n$/],
    ['content', /\r\n\.\r\n$/],
  ] as const)
    it(`while the server is silent at ${step} closes the connection`, async () => {
      const server = await new ScriptedServer({ [step]: 'hang' }).listen();
      scripted = server;
      const tls = step === 'STARTTLS' ? 'starttls' : 'off';
      const { caFile: _, ...settings } = bench.settings({ port: server.port, tls });
      const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
      const sink = await createEmail(settings, { log: bench.log, resolve });
      await cancelled(
        (signal) => sink.open(GRANT, signal),
        () => poll(() => server.connections === 1 && heard.test(server.heard), 'it is silent'),
      );
      await server.abandoned();
    });

  it('in a TLS handshake closes the connection', async () => {
    for (const tls of ['implicit', 'starttls'] as const) {
      const server = await new ScriptedServer({
        greeting: tls === 'implicit' ? 'hang' : '220 mail.test',
        STARTTLS: '220 go on',
      }).listen();
      scripted = server;
      const sink = await bench.sink({ port: server.port, tls });
      await cancelled(
        (signal) => sink.open(GRANT, signal),
        // The first record of a handshake.
        () => poll(() => server.heard.includes('\u0016\u0003\u0001'), 'TLS begins'),
      );
      await server.abandoned();
      await server.close();
    }
  });

  it('when it is over has left nothing at the signal, and hangs up', async () => {
    const { signal } = new AbortController();
    const sink = await bench.sink();
    await sink.open(GRANT, signal);
    await bench.server.abandoned();
    bench.server.refusals = { mail: '550 no' };
    await assert.rejects(sink.open(GRANT, signal));
    await bench.server.abandoned();
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  it('is not held up by a server that does not say good-bye', async () => {
    const server = await new ScriptedServer({ QUIT: 'hang' }).listen();
    scripted = server;
    const sink = await bench.sink({ port: server.port, tls: 'off', host: '127.0.0.1' });
    await sink.open(GRANT, never);
    await poll(() => server.heard.endsWith('\r\n.\r\nQUIT\r\n'), 'it is asked to end');
    await server.abandoned();
  });
});
