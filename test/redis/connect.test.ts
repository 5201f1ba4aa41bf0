import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { silentLog } from '../../src/log/types.js';
import { connect, hangUp, type RedisTarget } from '../../src/redis/connect.js';
import { eventually } from '../support/eventually.js';
import { endProcess } from '../support/processes.js';
import { recordingLog } from '../support/recording-log.js';
import { freePort } from './ports.js';
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

  it('takes the password of a file, for a user of the URL too', async () => {
    const port = await freePort();
    await strangeRedis(scratch, await scratch.dir(), [
      'bind 127.0.0.1',
      `port ${port}`,
      'requirepass one',
      'user ann on >two ~* +@all',
    ]);
    for (const [user, password] of [
      ['default', 'one'],
      ['ann', 'two'],
    ] as const) {
      const redis = open({ url: `redis://${user}@127.0.0.1:${port}`, password });
      assert.equal(await redis.call('ACL', 'WHOAMI'), user);
    }
  });

  it('leaves a server that turned into a replica, and says nothing of it', async () => {
    const port = await freePort();
    await strangeRedis(scratch, await scratch.dir(), ['bind 127.0.0.1', `port ${port}`]);
    const log = recordingLog();
    const redis = open({ url: `redis://127.0.0.1:${port}` }, log);
    for (const write of [
      () => redis.set('a', 1),
      () => redis.eval("return redis.call('SET', 'a', 1)", 0),
      () => redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', 1, 'BLOCK', 60_000, 'STREAMS', 's', '>'),
    ]) {
      const admin = open({ url: `redis://127.0.0.1:${port}` });
      await admin.replicaof('NO', 'ONE');
      await admin.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM').catch(() => undefined);
      const id = await redis.client('ID');
      const isBlocked = async () => /cmd=xreadgroup/.test(String(await admin.client('LIST')));
      const writing = String(write).includes('xreadgroup') ? write() : undefined;
      if (writing) await eventually('a blocked read', isBlocked);
      // A port where nobody is.
      await admin.replicaof('127.0.0.1', await freePort());
      await assert.rejects(writing ?? write(), /READONLY|UNBLOCKED/);
      assert.notEqual(await redis.client('ID'), id, String(write));
    }
    assert.deepEqual(log.entries, []);
  });

  it('says each reason of an outage once, however they take turns', async () => {
    const answers = ['-ERR one\r\n', '-ERR two\r\n'];
    let tries = 0;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      tries += 1;
      socket.on('data', () => socket.end(answers[tries % 3] ?? ''));
    }).listen(0, '127.0.0.1');
    scratch.owns(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // it listens on TCP
    const log = recordingLog();
    open({ url: `redis://127.0.0.1:${port}` }, log);
    await eventually('seven tries', () => tries >= 7, { withinMs: 8000 });
    assert.equal(log.entries.length, 2, inspect(log.entries));
  });
});
