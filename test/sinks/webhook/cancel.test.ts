import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { getEventListeners } from 'node:events';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { poll } from '../../support/poll.js';
import { GRANT, WebhookBench } from './bench.js';
import { Receiver } from './receiver.js';

/** Far below the 5 s of an attempt; a busy machine may take some of it. */
const AT_ONCE_MS = 1000;

describe('a webhook that is cancelled', () => {
  let bench: WebhookBench;
  before(async () => {
    bench = await WebhookBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const REASON = new Error('postern stops');

  /** Cancels as soon as `reached` resolves, and expects the reason back at once. */
  async function cancelled(
    open: (signal: AbortSignal) => Promise<void>,
    reached: () => Promise<unknown>,
  ): Promise<void> {
    const abort = new AbortController();
    const opened = open(abort.signal);
    opened.catch(() => undefined);
    await reached();
    const startedAt = performance.now();
    abort.abort(REASON);
    await assert.rejects(opened, (error) => error === REASON);
    const took = performance.now() - startedAt;
    assert.ok(took < AT_ONCE_MS, `${took} ms`);
  }

  it('before it begins sends nothing', async () => {
    const sink = await bench.sink();
    await cancelledBefore((signal) => sink.open(GRANT, signal));
    await cancelledBefore(async (signal) => sink.close?.(GRANT, signal));
    assert.equal(bench.receiver.connections, 0);
  });
  const cancelledBefore = (open: (signal: AbortSignal) => Promise<void>) =>
    assert.rejects(open(AbortSignal.abort(REASON)), (error) => error === REASON);

  it('while its name is resolved connects to nothing, whatever is resolved then', async () => {
    let answer: (addresses: LookupAddress[]) => void = () => undefined;
    let asked = 0;
    const resolve = () => {
      asked += 1;
      return new Promise<LookupAddress[]>((given) => {
        answer = given;
      });
    };
    const sink = await createWebhook(bench.settings(), { log: bench.log, resolve });
    await cancelled(
      (signal) => sink.open(GRANT, signal),
      () => poll(() => asked === 1, 'the name is asked for'),
    );
    answer([{ address: '127.0.0.1', family: 4 }]);
    // A delivery that comes later than a connection of that one would.
    await (await bench.sink()).open(GRANT, new AbortController().signal);
    assert.equal(bench.receiver.connections, 1);
  });

  it('in the TLS handshake', async () => {
    const silent = await new Receiver().listen();
    try {
      const sink = await bench.sink({ url: `https://receiver.test:${silent.port}/` });
      await cancelled(
        (signal) => sink.open(GRANT, signal),
        () => poll(() => silent.connections === 1, 'connected'),
      );
      await silent.abandoned();
    } finally {
      await silent.close();
    }
  });

  it('while it waits for an answer, or for the rest of one', async () => {
    for (const text of [
      '',
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx',
    ]) {
      const sink = await bench.sink();
      const reached = new Promise<void>((resolve) => {
        bench.receiver.behaviours = [(socket) => socket.write(text, () => resolve())];
      });
      await cancelled(
        (signal) => sink.open(GRANT, signal),
        () => reached,
      );
      await bench.receiver.abandoned();
    }
    assert.equal(bench.receiver.requests.length, 3);
  });

  it('when it is over has left nothing at the signal', async () => {
    const { signal } = new AbortController();
    const sink = await bench.sink();
    await sink.open(GRANT, signal);
    bench.receiver.behaviours = [(socket) => socket.destroy()];
    await assert.rejects(sink.open(GRANT, signal));
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });
});
