import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import type { SinkGrant } from '../../../sinks/types.js';
import { GRANT, never, random, SECRET, WebhookBench } from './bench.js';
import { answers, type Received } from './receiver.js';

const OTHER_SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

describe('the webhook sink', () => {
  let bench: WebhookBench;
  before(async () => {
    bench = await WebhookBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const only = (): Received => {
    const [request, ...more] = bench.receiver.requests;
    if (request === undefined) throw new Error('nothing was sent');
    assert.deepEqual(more, []);
    return request;
  };
  const verified = (request: Received, secret = SECRET): unknown =>
    new Webhook(secret).verify(request.body, request.headers);

  it('posts what the documentation says when a door opens', async () => {
    const sink = await bench.sink({
      url: `https://receiver.test:${bench.receiver.port}/a/b?c=d#e`,
    });
    await sink.open(GRANT, never);
    const request = only();
    assert.equal(request.line, 'POST /a/b?c=d HTTP/1.1');
    assert.equal(request.headers['host'], `receiver.test:${bench.receiver.port}`);
    assert.equal(request.headers['content-type'], 'application/json');
    assert.equal(request.headers['connection'], 'close');
    assert.equal(request.headers['authorization'], undefined);
    assert.deepEqual(verified(request), {
      version: 1,
      type: 'door.open',
      timestamp: '2026-01-02T03:04:06.000Z',
      data: {
        door: 'ssh',
        source: '192.0.2.7',
        host: 'bastion',
        grant: 'bastion-1700000000000-0',
        completedAt: '2026-01-02T03:04:05.000Z',
        openedAt: '2026-01-02T03:04:06.000Z',
        closesAt: '2026-01-02T03:05:05.000Z',
      },
    });
  });

  it('tells of a close, a failure and a test in their own shapes', async () => {
    const sink = await bench.sink();
    const { completedAtMs: _, ...unknownStart } = GRANT;
    const endless: SinkGrant = { ...unknownStart, untilMs: null, leftMs: null, isTest: true };
    await sink.close?.(GRANT, never);
    await sink.failed?.(endless, 'exec: no such "file"\n', never);
    const common = { door: 'ssh', source: '192.0.2.7', host: 'bastion', grant: GRANT.id };
    const timestamp = '2026-01-02T03:04:06.000Z';
    assert.deepEqual(
      bench.receiver.requests.map((request) => verified(request)),
      [
        {
          version: 1,
          type: 'door.close',
          timestamp,
          data: { ...common, completedAt: '2026-01-02T03:04:05.000Z', closedAt: timestamp },
        },
        {
          version: 1,
          type: 'door.failed',
          timestamp,
          data: { ...common, closesAt: null, reason: 'exec: no such "file"\n', test: true },
        },
      ],
    );
  });

  it('keeps the id of an event at every attempt, and signs each anew', async () => {
    const sink = await bench.sink();
    bench.receiver.behaviours = [answers('500 Oops'), answers('200 OK')];
    await assert.rejects(sink.open(GRANT, never));
    await sink.open(GRANT, never);
    // What another process sends about the same grant, after a crash, has that id too.
    await (await bench.sink()).open({ ...GRANT, leftMs: 5 }, never);
    await sink.close?.(GRANT, never);
    await sink.open({ ...GRANT, id: 'bastion-1700000000000-1' }, never);
    await (await bench.sink({ name: 'webhook:other' })).open(GRANT, never);
    const ids = bench.receiver.requests.map(({ headers }) => headers['webhook-id']);
    assert.equal(new Set(ids.slice(0, 3)).size, 1);
    assert.equal(new Set(ids).size, 4);
    for (const reason of ['exec did not open', 'nftables did not open', 'exec did not open'])
      await sink.failed?.(GRANT, reason, never);
    const failed = bench.receiver.requests.slice(-3).map(({ headers }) => headers['webhook-id']);
    assert.equal(new Set([...ids, ...failed]).size, 6, 'two things failed');
    assert.equal(failed[0], failed[2]);
    for (const id of ids) assert.match(id ?? '', /^msg_[0-9a-f]{40}$/);
    for (const request of bench.receiver.requests) verified(request);
  });

  it('has the time of the attempt in its header', async () => {
    const before = Math.floor(Date.now() / 1000);
    await (await bench.sink()).open(GRANT, never);
    const stamp = Number(only().headers['webhook-timestamp']);
    assert.ok(stamp >= before && stamp <= Date.now() / 1000, String(stamp));
  });

  it('sends only the events that it was asked to send', async () => {
    const sink = await bench.sink({ events: ['failed'] });
    await sink.open(GRANT, never);
    assert.equal(sink.close, undefined);
    assert.equal(bench.receiver.connections, 0);
    await sink.failed?.(GRANT, 'no', never);
    assert.equal(only().line, 'POST /hook HTTP/1.1');
    assert.equal((await bench.sink({ events: ['open'] })).failed, undefined);
  });

  it('signs with both secrets while one takes the place of the other', async () => {
    const secretFile = bench.at('two');
    await writeFile(secretFile, `# new\n${OTHER_SECRET}\n${SECRET}\n`, { mode: 0o600 });
    await (await bench.sink({ secretFile })).open(GRANT, never);
    const request = only();
    assert.deepEqual(verified(request), verified(request, OTHER_SECRET));
    const stranger = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    assert.throws(() => verified(request, stranger), /No matching signature/);
    assert.throws(() => verified({ ...request, body: `${request.body} ` }), /No matching/);
  });

  it('gives user and password of the URL as Basic authentication', async () => {
    const url = `https://us%40er:p%3Ass%C3%A9@receiver.test:${bench.receiver.port}/`;
    await (await bench.sink({ url })).open(GRANT, never);
    const [, given = ''] = (only().headers['authorization'] ?? '').split(' ');
    assert.equal(Buffer.from(given, 'base64').toString(), 'us@er:p:ssé');
  });

  it('sends the body that a template makes, signed', async () => {
    await writeFile(
      bench.at('body'),
      '{"topic":"doors","message":"{{door}}\\n{{summary}} \\{{x}}"}',
    );
    const sink = await bench.sink({ bodyFile: bench.at('body') });
    await sink.open({ ...GRANT, door: 'a"b\\\n{{host}}' }, never);
    const { topic, message } = verified(only()) as Record<string, string>;
    assert.equal(topic, 'doors');
    assert.match(
      message ?? '',
      /^a"b\\\n\{\{host\}\}\ndoor a"b[\s\S]* is open for 192\.0\.2\.7 .*\{\{x\}\}$/,
    );
  });

  it('makes JSON of any names, with a template or without', async () => {
    await writeFile(bench.at('any'), '{"{{door}}":["{{reason}}{{host}}"]}');
    const sinks = [await bench.sink(), await bench.sink({ bodyFile: bench.at('any') })];
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constant('__proto__'));
    await fc.assert(
      fc.asyncProperty(text, text, fc.constantFrom(...sinks), async (door, reason, sink) => {
        await sink.failed?.({ ...GRANT, door }, reason, never);
        const request = bench.receiver.requests.at(-1);
        assert.ok(request);
        const body = verified(request) as Record<string, unknown>;
        if (sink === sinks[0]) assert.deepEqual(body['data'], { ...data, door, reason });
        else assert.deepEqual(Object.entries(body), [[door, [`${reason}bastion`]]]);
      }),
      random(60),
    );
  });
  const data = {
    source: '192.0.2.7',
    host: 'bastion',
    grant: GRANT.id,
    completedAt: '2026-01-02T03:04:05.000Z',
    closesAt: '2026-01-02T03:05:05.000Z',
  };

  it('is a connection of its own each time', async () => {
    const sink = await bench.sink();
    bench.receiver.behaviours = [
      (socket) =>
        socket.write('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n'),
    ];
    await sink.open(GRANT, never);
    await sink.close?.(GRANT, never);
    assert.equal(bench.receiver.connections, 2);
    await bench.receiver.abandoned();
  });

  it('logs an answer for who looks closer', async () => {
    await (await bench.sink()).open(GRANT, never);
    const [entry, ...more] = bench.log.entries;
    assert.deepEqual(more, []);
    assert.equal(entry?.level, 'debug');
    assert.deepEqual([entry?.fields['sink'], entry?.fields['status']], ['webhook:ops', 204]);
  });
});
