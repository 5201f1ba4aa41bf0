import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { GRANT, never, WebhookBench } from './bench.js';
import { answers, type Behaviour, Receiver } from './receiver.js';

const DAY_MS = 86_400_000;

/** Sends text, or bytes, and says no more. */
const says =
  (...parts: (string | Buffer)[]): Behaviour =>
  (socket) => {
    for (const part of parts) socket.write(part);
  };
const saysAndEnds =
  (text: string): Behaviour =>
  (socket) =>
    socket.end(text);

/** Sends a part, and another one every 20 ms, as long as somebody listens. */
const drips =
  (first: string, more: string): Behaviour =>
  (socket) => {
    socket.write(first);
    const timer = setInterval(() => socket.write(more), 20);
    socket.once('close', () => clearInterval(timer));
  };

describe('a webhook and a receiver that misbehaves', () => {
  let bench: WebhookBench;
  before(async () => {
    bench = await WebhookBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const failure: WebhookBench['failure'] = (...how) => bench.failure(...how);
  const origin = () => `https://receiver.test:${bench.receiver.port}`;

  for (const status of ['200 OK', '201 Created', '202 Accepted', '204 No Content', '299 X'])
    it(`${status} is success`, async () => {
      bench.receiver.behaviours = [answers(status)];
      await (await bench.sink()).open(GRANT, never);
    });

  for (const status of [
    '400 Bad Request',
    '401 Unauthorized',
    '404 Not Found',
    '500 Internal Server Error',
    '502 Bad Gateway',
    '504 Gateway Timeout',
  ])
    it(`${status} is a failure that is tried again`, async () => {
      const { message, isFinal, askedMs } = await failure(answers(status, ['Retry-After: 7']));
      assert.equal(message, `${origin()} answered ${status}`);
      assert.deepEqual([isFinal, askedMs], [false, 0]);
    });

  it('says nothing of what the receiver said', async () => {
    const odd = 'HTTP/1.1 599 <b>\u001b[31mpwned\r\nContent-Length: 5\r\nX: leak\r\n\r\nleak!';
    const { message } = await failure(saysAndEnds(odd));
    assert.equal(message, `${origin()} answered 599`);
  });

  for (const status of [
    '301 Moved Permanently',
    '302 Found',
    '303 See Other',
    '307 Temporary Redirect',
    '308 Permanent Redirect',
  ])
    it(`${status} is not followed`, async () => {
      const other = await new Receiver().listen();
      try {
        const { message, isFinal } = await failure(
          answers(status, [`Location: http://127.0.0.1:${other.port}/secret-place`]),
        );
        assert.match(message, new RegExp(`answered ${status}: postern follows no redirect`));
        assert.doesNotMatch(message, /secret-place/);
        assert.equal(isFinal, false);
        assert.deepEqual([bench.receiver.connections, other.connections], [1, 0]);
      } finally {
        await other.close();
      }
    });

  it('410 is the end of everything for that receiver, and is said', async () => {
    bench.receiver.behaviours = [answers('410 Gone'), answers('204 No Content')];
    const sink = await bench.sink();
    const final = { name: 'WebhookFailure', isFinal: true };
    await assert.rejects(sink.open(GRANT, never), { ...final, message: /answered 410 Gone$/ });
    await assert.rejects(sink.close?.(GRANT, never) ?? Promise.resolve(), {
      ...final,
      message: /410 Gone before, so nothing more is sent to it$/,
    });
    assert.equal(bench.receiver.connections, 1);
    const said = bench.log.entries.filter(({ level }) => level === 'error');
    assert.equal(said.length, 1);
    assert.match(said[0]?.message ?? '', /answered 410 Gone: nothing more is sent/);
    // As after a restart or a reload.
    await (await bench.sink()).open(GRANT, never);
  });

  for (const status of ['429 Too Many Requests', '503 Service Unavailable']) {
    const asked = async (retryAfter: string) =>
      (await failure(answers(status, [`Retry-After: ${retryAfter}`]))).askedMs;

    it(`${status} may ask for seconds`, async () => {
      const { message, askedMs, isFinal } = await failure(answers(status, ['Retry-After: 120']));
      assert.equal(message, `${origin()} answered ${status}, to be tried again in 120 s`);
      assert.deepEqual([askedMs, isFinal], [120_000, false]);
      assert.equal(await asked('86400'), DAY_MS);
      assert.equal(await asked('99999999999999999999999'), DAY_MS);
    });

    it(`${status} may ask for a date`, async () => {
      const inAnHour = await asked(new Date(Date.now() + 3_600_000).toUTCString());
      assert.ok(inAnHour > 3_590_000 && inAnHour <= 3_600_000, String(inAnHour));
      assert.equal(await asked('Fri, 31 Dec 2199 23:59:59 GMT'), DAY_MS);
      assert.equal(await asked('Fri, 31 Dec 1999 23:59:59 GMT'), 0);
    });

    it(`${status} may ask for nonsense`, async () => {
      for (const nonsense of [
        '-5',
        '1e9',
        '0x10',
        '3.5',
        'soon',
        'Xyz, 99 Abc 2199 99:99:99 GMT',
        '',
        '1 2',
      ])
        assert.equal(await asked(nonsense), 0, nonsense);
    });
  }

  describe('in its answer', () => {
    const quick = { timeoutMs: 300 };
    const overdue = /did not answer in full within 300 ms$/;

    it('none at all', async () => {
      assert.match((await failure(() => undefined, quick)).message, overdue);
      await bench.receiver.abandoned();
    });

    it('headers that never end', async () => {
      const behaviour = drips('HTTP/1.1 200 OK\r\n', 'X-A: b\r\n');
      assert.match((await failure(behaviour, quick)).message, overdue);
      await bench.receiver.abandoned();
    });

    it('a body that never ends', async () => {
      const behaviour = drips('HTTP/1.1 200 OK\r\n\r\n', 'x');
      assert.match((await failure(behaviour, quick)).message, overdue);
      await bench.receiver.abandoned();
    });

    it('nothing but promises of an answer', async () => {
      const behaviour = drips('', 'HTTP/1.1 103 Early Hints\r\n\r\n');
      assert.match((await failure(behaviour, quick)).message, overdue);
      await bench.receiver.abandoned();
    });

    it('a body of a size that nobody wants is read in part', async () => {
      let sent = 0;
      bench.receiver.behaviours = [
        (socket) => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n');
          const pump = (): void => {
            while (socket.writable && socket.write(Buffer.alloc(65_536))) sent += 65_536;
            sent += 65_536;
          };
          socket.on('drain', pump);
          pump();
        },
      ];
      await (await bench.sink()).open(GRANT, never);
      await bench.receiver.abandoned();
      // What lies in buffers of the kernel is lost; the rest was never made.
      assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes`);
    });

    it('a body of a size that nobody wants does not make a failure success', async () => {
      const behaviour = says('HTTP/1.1 500 X\r\n\r\n', Buffer.alloc(100_000));
      assert.match((await failure(behaviour)).message, /answered 500/);
    });

    it('headers of a size that nobody wants', async () => {
      const behaviour = says(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
      assert.match((await failure(behaviour)).message, /is not HTTP \(HPE_HEADER_OVERFLOW\)$/);
    });

    it('HTTP/1.0 will do', async () => {
      bench.receiver.behaviours = [saysAndEnds('HTTP/1.0 200 OK\r\n\r\nfine')];
      await (await bench.sink()).open(GRANT, never);
    });

    it('what is not HTTP', async () => {
      assert.match((await failure(saysAndEnds('SSH-2.0-x\r\n'))).message, /is not HTTP \(HPE_/);
    });

    it('the end of the connection instead', async () => {
      const closed = /closed the connection before its answer was complete \(/;
      const half = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf';
      for (const text of ['', 'HTTP/1.1 200 OK\r\nX', half])
        assert.match((await failure(saysAndEnds(text))).message, closed, text);
      const upgrade =
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';
      assert.match((await failure(says(upgrade))).message, closed);
    });

    it('a reset in the middle', async () => {
      const plain = await new Receiver().listen();
      try {
        const url = `http://receiver.test:${plain.port}/`;
        for (const text of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf']) {
          plain.behaviours = [
            (socket) => {
              if (text === '') socket.resetAndDestroy();
              else socket.write(text, () => socket.resetAndDestroy());
            },
          ];
          const { message } = await failure(undefined, { url });
          assert.match(
            message,
            /closed the connection before its answer was complete \(ECONNRESET\)$/,
          );
        }
        assert.equal(plain.requests.length, 2);
      } finally {
        await plain.close();
      }
    });
  });

  it('nobody there', async () => {
    const { port } = bench.receiver;
    await bench.receiver.close();
    const url = `https://receiver.test:${port}/`;
    const { message } = await failure(undefined, { url });
    assert.equal(message, `https://receiver.test:${port} refused the connection (ECONNREFUSED)`);
  });

  it('a name that there is not', async () => {
    const sink = await createWebhook(bench.settings({ url: 'https://receiver.invalid/x' }), {
      log: bench.log,
    });
    await assert.rejects(sink.open(GRANT, never), {
      message:
        /^the name in https:\/\/receiver\.invalid cannot be resolved \((ENOTFOUND|EAI_AGAIN)\)$/,
    });
  });

  it('a name that takes for ever to resolve', async () => {
    const resolve = () => delay(60_000, [], { ref: false });
    const sink = await createWebhook(bench.settings({ timeoutMs: 200 }), {
      log: bench.log,
      resolve,
    });
    await assert.rejects(sink.open(GRANT, never), { message: /within 200 ms$/ });
  });

  it('a name of several addresses, of which one refuses', async () => {
    const resolve = async () => [
      { address: '127.0.0.77', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ];
    const sink = await createWebhook(bench.settings(), { log: bench.log, resolve });
    await sink.open(GRANT, never);
    assert.equal(bench.receiver.requests.length, 1);
  });
});
