import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { GRANT, never, WebhookBench } from './bench.js';

describe('a webhook and a receiver that cannot be trusted', () => {
  let bench: WebhookBench;
  before(async () => {
    bench = await WebhookBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const untrusted = /the certificate of https:\S+ cannot be trusted \(ca_file says whom to trust\)/;

  it('a certificate by somebody else', async () => {
    const { otherCaFile } = bench.certificates;
    assert.match((await bench.failure(undefined, { caFile: otherCaFile })).message, untrusted);
    assert.deepEqual(bench.receiver.requests, []);
  });

  it('a certificate that the system does not know', async () => {
    const { caFile: _, ...settings } = bench.settings();
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    const sink = await createWebhook(settings, { log: bench.log, resolve });
    await assert.rejects(sink.open(GRANT, never), { message: untrusted });
    assert.deepEqual(bench.receiver.requests, []);
  });

  it('a certificate of another name', async () => {
    const url = `https://sender.test:${bench.receiver.port}/`;
    const { message } = await bench.failure(undefined, { url });
    assert.match(message, untrusted);
    assert.match(message, /\(ERR_TLS_CERT_ALTNAME_INVALID\)$/);
  });

  it('a certificate of an address is taken for that address', async () => {
    const sink = await bench.sink({ url: `https://127.0.0.1:${bench.receiver.port}/` });
    await sink.open(GRANT, never);
  });

  it('is not switched off by an environment', async () => {
    const name = 'NODE_TLS_REJECT_UNAUTHORIZED';
    process.env[name] = '0';
    try {
      const { otherCaFile } = bench.certificates;
      assert.match((await bench.failure(undefined, { caFile: otherCaFile })).message, untrusted);
    } finally {
      delete process.env[name];
    }
  });

  it('none at all', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    plain.listen(0, '127.0.0.2');
    await once(plain, 'listening');
    try {
      // A server that listens on a TCP port has an address of that form.
      const { port } = plain.address() as AddressInfo;
      const url = `https://127.0.0.2:${port}/`;
      assert.match(
        (await bench.failure(undefined, { url })).message,
        /^TLS with \S+ failed \((ERR_SSL|EPROTO)/,
      );
    } finally {
      plain.close();
    }
  });
});
