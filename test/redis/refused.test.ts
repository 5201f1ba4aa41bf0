import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { connect, hangUp, type RedisTarget } from '../../src/redis/connect.js';
import { eventually } from '../support/eventually.js';
import { recordingLog } from '../support/recording-log.js';
import { freePort } from './ports.js';
import { Scratch, strangeRedis } from './support.js';

describe('a connection that Redis refuses', () => {
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  interface Case {
    readonly what: string;
    readonly config: readonly string[];
    target(host: string): RedisTarget;
    readonly reason: RegExp;
  }

  const CASES: readonly Case[] = [
    {
      what: 'for want of a password',
      config: ['requirepass right'],
      target: (host) => ({ url: `redis://${host}` }),
      reason: /^NOAUTH: the server asks for a password$/,
    },
    {
      what: 'for a wrong password of a file',
      config: ['requirepass right'],
      target: (host) => ({ url: `redis://${host}`, password: 's3cret' }),
      reason: /^WRONGPASS: the server refuses the password, or the user$/,
    },
    {
      what: 'for a wrong password of its URL',
      config: ['requirepass right'],
      target: (host) => ({ url: `redis://:s3cret@${host}` }),
      reason: /^WRONGPASS/,
    },
    {
      what: 'for a user who is not there',
      config: [],
      target: (host) => ({ url: `redis://bob@${host}`, password: 's3cret' }),
      reason: /^WRONGPASS/,
    },
    {
      what: 'for a database that is not there',
      config: ['databases 2'],
      target: (host) => ({ url: `redis://${host}/7` }),
      reason: /DB index/,
    },
    {
      what: 'for a database that its user may not choose',
      config: ['user ann on >s3cret ~* +@all -select'],
      target: (host) => ({ url: `redis://ann@${host}/1`, password: 's3cret' }),
      reason: /^NOPERM/,
    },
  ];

  for (const { what, config, target, reason } of CASES) {
    it(`${what}, says why once, is not tried at full speed, and tells no password`, async () => {
      const port = await freePort();
      const lines = ['bind 127.0.0.1', `port ${port}`, ...config];
      await strangeRedis(scratch, await scratch.dir(), lines);
      const log = recordingLog();
      // Its first commands are rejected with the error of the handshake itself.
      const redis = connect({ target: target(`127.0.0.1:${port}`), role: 'normal', log });
      scratch.owns(() => hangUp(redis));
      let tries = 0;
      redis.on('connect', () => {
        tries += 1;
      });
      const rejections: unknown[] = [];
      redis.ping().catch((error) => rejections.push(error));
      const beganMs = performance.now();
      await eventually('a fourth try', () => tries >= 4, { everyMs: 5 });
      // 50, 100 and 200 ms between them.
      assert.ok(performance.now() - beganMs > 340);
      assert.deepEqual(
        log.entries.map(({ level, message }) => [level, message]),
        [['warn', 'Redis is out of reach']],
      );
      assert.match(String(log.entries[0]?.fields['reason']), reason);
      assert.doesNotMatch(inspect([log.entries, rejections], { depth: 9 }), /s3cret/);
      assert.notEqual(redis.status, 'ready');
    });
  }
});
