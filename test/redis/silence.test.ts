import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { silentLog } from '../../src/log/types.js';
import { connect, hangUp, type RedisRole } from '../../src/redis/connect.js';
import { eventually } from '../support/eventually.js';
import { recordingLog } from '../support/recording-log.js';
import { freePort } from './ports.js';
import { Scratch, strangeRedis } from './support.js';

describe('a connection to a Redis that is silent', () => {
  const scratch = new Scratch();
  let server: ChildProcess;
  let url: string;
  beforeEach(async () => {
    const port = await freePort();
    server = await strangeRedis(scratch, await scratch.dir(), ['bind 127.0.0.1', `port ${port}`]);
    url = `redis://127.0.0.1:${port}`;
  });
  afterEach(() => scratch.clear());

  function open(role: RedisRole, log = silentLog) {
    const redis = connect({ target: { url }, role, log });
    scratch.owns(() => hangUp(redis));
    return redis;
  }

  /** Milliseconds from a question until the connection is given up. */
  async function patience(role: RedisRole): Promise<number> {
    const log = recordingLog();
    const redis = open(role, log);
    await redis.info('server').catch(() => undefined); // `append` takes nothing before it is ready
    await eventually('it is ready', () => redis.status === 'ready');
    server.kill('SIGSTOP');
    const askedAtMs = performance.now();
    redis.ping().catch(() => undefined); // what becomes of it is its owner's
    await new Promise((resolve) => redis.once('close', resolve));
    assert.match(JSON.stringify(log.entries), /the server does not answer/);
    const tookMs = performance.now() - askedAtMs;
    server.kill('SIGCONT');
    await eventually('it is ready again', () => redis.status === 'ready', { withinMs: 12_000 });
    return tookMs;
  }

  it('is given up after some seconds, and is there when Redis is back', async function () {
    this.timeout(30_000);
    scratch.owns(() => server.kill('SIGCONT'));
    const tookMs = await patience('normal');
    assert.ok(tookMs > 4900 && tookMs < 6500, `${tookMs} ms`);
  });

  it('is not given up in a blocking read, which may be silent for as long as it asked to', async function () {
    this.timeout(15_000);
    await Promise.all(
      (['blocking', 'worker'] as const).map(async (role) => {
        const redis = open(role);
        let closings = 0;
        redis.on('close', () => {
          closings += 1;
        });
        assert.equal(await redis.xread('BLOCK', 5500, 'STREAMS', 'none', '$'), null);
        assert.equal(closings, 0, role);
      }),
    );
  });
});
