import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { openSharedRedis } from '../../../src/cluster/shared-redis.js';
import type { SharedRedis } from '../../../src/cluster/types.js';
import { silentLog } from '../../../src/log/types.js';
import { connect, hangUp } from '../../../src/redis/connect.js';
import { freePort } from '../../redis/ports.js';
import { Scratch, strangeRedis } from '../../redis/support.js';
import { BadWire } from '../../support/bad-wire.js';
import { poll } from '../../support/poll.js';
import { range, sealedOrder, untilReady } from './support.js';

describe('a claim that replicas must confirm (redis_wait, T12)', () => {
  const scratch = new Scratch();
  let primary: string;
  let replica: string;
  let replicaProcess: ChildProcess;

  beforeEach(async () => {
    const port = await freePort();
    const primaryDir = await folder('primary');
    const replicaDir = await folder('replica');
    await strangeRedis(scratch, primaryDir, [
      'bind 127.0.0.1',
      `port ${port}`,
      'repl-diskless-sync-delay 0',
    ]);
    const config = [`replicaof 127.0.0.1 ${port}`];
    replicaProcess = await strangeRedis(scratch, replicaDir, config);
    primary = join(primaryDir, 'redis.sock');
    replica = join(replicaDir, 'redis.sock');
    const inStep = async (redis: Redis) => {
      // What came before the replica is confirmed by the mere sight of it, so twice.
      for (const value of [1, 2]) {
        await redis.set('x', value);
        if ((await redis.wait(1, 100)) !== 1) return false;
      }
      return true;
    };
    await poll(() => ask(primary, inStep), 'it is in step');
  });
  afterEach(async () => {
    replicaProcess.kill('SIGCONT');
    await scratch.clear();
  });

  it('is won only when the replica holds it', async () => {
    const shared = await open(1);
    for (const round of range(20)) {
      const grants = range(10).map((index) => `${round}-${index}`);
      await Promise.all(
        grants.map(async (grant) => {
          assert.equal(await shared.complete(grant, sealedOrder(1), [grant], false), 'won');
          assert.equal(await ask(replica, (redis) => redis.hget(key('claims'), grant)), grant);
        }),
      );
    }
  });

  it('is refused within a second when too few confirm, and stays used', async () => {
    const shared = await open(1);
    replicaProcess.kill('SIGSTOP');
    const asked = performance.now();
    const rejected = range(12).map(async (index) => {
      // One after the other, as knocks come: most are sent while an earlier one is waited for.
      await poll(() => performance.now() - asked > index * 100, 'its turn');
      const since = performance.now();
      await assert.rejects(shared.complete(`g${index}`, sealedOrder(index), [`c${index}`], false), {
        code: 'POSTERN_E_CLUSTER',
        message: /confirmed by 0 of the 1 replicas/,
      });
      return performance.now() - since;
    });
    const beat = performance.now();
    await shared.beat('x');
    assert.ok(performance.now() - beat < 100, 'other commands do not wait');
    const longest = Math.max(...(await Promise.all(rejected)));
    assert.ok(longest < 950, `it took ${longest} ms`);
    assert.ok(shared.isReady);
    replicaProcess.kill('SIGCONT');
    assert.equal(await shared.complete('other', sealedOrder(1), ['c0'], false), 'spent');
    await poll(
      () => shared.complete('new', sealedOrder(1), ['new'], false).catch(() => false),
      'won',
    );
  });

  it('says how many confirmed', async () => {
    const shared = await open(2);
    await assert.rejects(shared.complete('g', sealedOrder(1), ['c'], false), {
      message: /confirmed by 1 of the 2 replicas/,
    });
  });

  it('tells at once that it is spent, whatever the replica does', async () => {
    const shared = await open(1);
    await shared.complete('g', sealedOrder(1), ['c'], false);
    replicaProcess.kill('SIGSTOP');
    const asked = performance.now();
    assert.equal(await shared.complete('other', sealedOrder(2), ['c'], false), 'spent');
    assert.ok(performance.now() - asked < 200);
  });

  it('is never confirmed by a connection that did not make it', async () => {
    const wire = new BadWire(primary);
    const socket = join(primary, '..', 'wire.sock');
    await wire.listen(socket);
    scratch.owns(() => wire.close());
    const shared = await open(1, socket);
    replicaProcess.kill('SIGSTOP');
    const refused = assert.rejects(shared.complete('g', sealedOrder(1), ['c'], false), {
      message: /unknown whether it took place/,
    });
    await poll(() => ask(primary, (redis) => redis.hexists(key('claims'), 'c')), 'it is made');
    wire.cut();
    await refused;
    await untilReady(shared);
  });

  async function open(redisWait: number, socket = primary): Promise<SharedRedis> {
    const shared = openSharedRedis({
      target: { socket },
      cluster: 'test',
      host: 'alpha',
      journalLength: 1000,
      redisWait,
      log: silentLog,
    });
    scratch.owns(() => shared.close());
    await untilReady(shared);
    return shared;
  }

  function key(name: string): string {
    return `postern:test:${name}`;
  }

  async function folder(name: string): Promise<string> {
    const dir = join(await scratch.dir(), name);
    await mkdir(dir);
    return dir;
  }

  async function ask<T>(socket: string, question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = connect({ target: { socket }, role: 'normal', log: silentLog });
    try {
      return await question(redis);
    } finally {
      hangUp(redis);
    }
  }
});
