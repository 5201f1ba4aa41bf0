import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { connect, hangUp, type RedisTls } from '../../src/redis/connect.js';
import { eventually } from '../support/eventually.js';
import { recordingLog } from '../support/recording-log.js';
import { Authority, type Pair } from './certificates.js';
import { freePort } from './ports.js';
import { Scratch, strangeRedis } from './support.js';

describe('a connection to Redis over TLS', () => {
  const files = new Scratch();
  const scratch = new Scratch();
  let authority: Authority;
  let other: Authority;
  let server: Pair;
  before(async () => {
    authority = await Authority.create(join(await files.dir(), 'authority'));
    other = await Authority.create(join(await files.dir(), 'other'));
    server = await authority.sign('server', 'IP:127.0.0.1,DNS:localhost');
  });
  after(() => files.clear());
  afterEach(() => scratch.clear());

  /** Starts a redis-server that speaks TLS alone, and gives its port. */
  async function start(pair: Pair, authClients: 'yes' | 'no' = 'no'): Promise<number> {
    const port = await freePort();
    await strangeRedis(scratch, await scratch.dir(), [
      'bind 127.0.0.1',
      `tls-port ${port}`,
      `tls-cert-file ${pair.cert}`,
      `tls-key-file ${pair.key}`,
      `tls-ca-cert-file ${authority.cert}`,
      `tls-auth-clients ${authClients}`,
    ]);
    return port;
  }

  function open(url: string, tls?: RedisTls) {
    const log = recordingLog();
    const redis = connect({ target: { url, ...(tls && { tls }) }, role: 'normal', log });
    scratch.owns(() => hangUp(redis));
    return { redis, log };
  }

  /** The one thing that is said of a connection that cannot be, though it is tried several times. */
  async function complaint(url: string, tls?: RedisTls, atLeast = 3): Promise<string> {
    const { redis, log } = open(url, tls);
    let tries = 0;
    redis.on('close', () => {
      tries += 1;
    });
    await eventually('some tries', () => tries >= atLeast, { withinMs: 6000 });
    assert.deepEqual(
      log.entries.map(({ level, message }) => [level, message]),
      [['warn', 'Redis is out of reach']],
    );
    const reason = String(log.entries[0]?.fields['reason']);
    assert.doesNotMatch(reason, /\n|\.c:\d/);
    return reason;
  }

  it('trusts who signs the certificate of its address or its name', async () => {
    const port = await start(server);
    for (const host of ['127.0.0.1', 'localhost']) {
      const { redis, log } = open(`rediss://${host}:${port}`, await authority.trusted());
      assert.equal(await redis.ping(), 'PONG');
      assert.deepEqual(log.entries, []);
    }
  });

  it('shows a certificate of its own where one is asked for', async () => {
    const port = await start(server, 'yes');
    const client = await authority.sign('client', 'DNS:client');
    const { redis } = open(`rediss://127.0.0.1:${port}`, await authority.trusted(client));
    assert.equal(await redis.ping(), 'PONG');
  });

  it('says that a certificate is asked for', async () => {
    const port = await start(server, 'yes');
    const reason = await complaint(`rediss://127.0.0.1:${port}`, await authority.trusted());
    assert.match(reason, /asks? for a certificate/);
  });

  it('says that its own certificate is refused', async () => {
    const port = await start(server, 'yes');
    const client = await other.sign('client', 'DNS:client');
    const tls = { ...(await other.trusted(client)), ...(await authority.trusted()) };
    assert.match(await complaint(`rediss://127.0.0.1:${port}`, tls), /refuses our certificate/);
  });

  it('says that the certificate is signed by nobody it trusts', async () => {
    const port = await start(server);
    for (const tls of [await other.trusted(), undefined]) {
      const reason = await complaint(`rediss://127.0.0.1:${port}`, tls);
      assert.match(reason, /signed by nobody we trust \(redis_ca_file\)/);
    }
  });

  it('says that the certificate is for another name', async () => {
    const port = await start(await authority.sign('elsewhere', 'DNS:elsewhere.example'));
    const reason = await complaint(`rediss://127.0.0.1:${port}`, await authority.trusted());
    assert.match(reason, /for another name: .*127\.0\.0\.1/);
  });

  it('says that the certificate has expired', async () => {
    const port = await start(await authority.sign('old', 'IP:127.0.0.1', -1));
    const reason = await complaint(`rediss://127.0.0.1:${port}`, await authority.trusted());
    assert.match(reason, /certificate has expired/);
  });

  it('says that the server may not speak TLS when it does not answer', async () => {
    const port = await freePort();
    await strangeRedis(scratch, await scratch.dir(), ['bind 127.0.0.1', `port ${port}`]);
    // Each try takes two seconds.
    const reason = await complaint(`rediss://127.0.0.1:${port}`, await authority.trusted(), 1);
    assert.match(reason, /does the server speak TLS/);
  });

  it('says that who answers does not speak TLS', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    }).listen(0, '127.0.0.1');
    scratch.owns(() => plain.close());
    await once(plain, 'listening');
    const { port } = plain.address() as AddressInfo; // it listens on TCP
    assert.match(await complaint(`rediss://127.0.0.1:${port}`), /does not speak TLS/);
  });

  it('says that the server speaks nothing but TLS', async () => {
    const port = await start(server);
    assert.match(await complaint(`redis://127.0.0.1:${port}`), /want TLS/);
  });
});
