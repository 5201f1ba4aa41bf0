import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { silentLog } from '../../src/log/types.js';
import { connect, hangUp, type RedisTarget } from '../../src/redis/connect.js';
import { eventually } from '../support/eventually.js';
import { endProcess } from '../support/processes.js';
import { recordingLog } from '../support/recording-log.js';
import { Scratch, strangeRedis } from './support.js';

describe('a connection to Redis', () => {
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  function open(target: RedisTarget, log = silentLog) {
    const redis = connect({ target, role: 'normal', log });
    scratch.owns(() => hangUp(redis));
    return redis;
  }

  it('takes user, password, port and database from a URL', async () => {
    const port = await freePort();
    const config = ['bind 127.0.0.1', `port ${port}`, 'user ann on >p@ss:w/rd ~* +@all'];
    await strangeRedis(scratch, await scratch.dir(), config);
    const redis = open({ url: `redis://ann:p%40ss%3Aw%2Frd@127.0.0.1:${port}/2` });
    assert.equal(await redis.call('ACL', 'WHOAMI'), 'ann');
    assert.match(String(await redis.call('CLIENT', 'INFO')), / db=2 /);
  });

  it('takes the path of a socket from a URL', async () => {
    await strangeRedis(scratch, await scratch.dir());
    const redis = open({ url: `unix://${await scratch.dir()}/redis.sock` });
    assert.equal(await redis.ping(), 'PONG');
  });

  it('never logs a password, right or wrong', async () => {
    const port = await freePort();
    await strangeRedis(scratch, await scratch.dir(), [
      'bind 127.0.0.1',
      `port ${port}`,
      'user ann on >right ~* +@all',
    ]);
    const log = recordingLog();
    const redis = open({ url: `redis://ann:s3cret@127.0.0.1:${port}` }, log);
    await eventually('a line', () => log.entries.length > 0);
    await assert.rejects(redis.ping());
    assert.match(JSON.stringify(log.entries), /WRONGPASS/);
    assert.doesNotMatch(JSON.stringify(log.entries), /s3cret/);
  });

  it('refuses what is no URL of a Redis, without repeating it', () => {
    for (const url of [
      's3cret',
      'http://s3cret',
      'redis://',
      'redis://s3cret:x:y',
      'redis://a/s3cret',
    ]) {
      assert.throws(
        () => open({ url }),
        (error: Error & { code?: string }) =>
          error.code === 'POSTERN_E_REDIS' && !error.message.includes('s3cret'),
        url,
      );
    }
  });

  it('says once that Redis is lost and once that it is back, and comes back by itself', async () => {
    const dir = join(await scratch.dir(), 'a');
    await mkdir(dir);
    const first = await strangeRedis(scratch, dir);
    const log = recordingLog();
    const redis = open({ socket: join(dir, 'redis.sock') }, log);
    await redis.ping();
    await endProcess(first);
    await eventually('a warning', () => log.entries.length > 0);
    await strangeRedis(scratch, dir);
    assert.equal(await redis.ping(), 'PONG');
    assert.deepEqual(
      log.entries.map(({ level }) => level),
      ['warn', 'info'],
    );
  });

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    return typeof address === 'object' && address ? address.port : 0;
  }
});
