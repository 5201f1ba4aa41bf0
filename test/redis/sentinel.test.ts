import assert from 'node:assert/strict';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { Redis } from 'ioredis';
import {
  connect,
  hangUp,
  type RedisRole,
  type RedisTarget,
  type RedisTls,
} from '../../src/redis/connect.js';
import { eventually } from '../support/eventually.js';
import { recordingLog } from '../support/recording-log.js';
import { Authority } from './certificates.js';
import { freePort } from './ports.js';
import { MASTER, SentinelSetup } from './sentinels.js';
import { Scratch } from './support.js';

describe('a connection by way of Sentinels', function () {
  this.timeout(40_000);
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  function open(target: RedisTarget, role: RedisRole = 'normal') {
    const log = recordingLog();
    const redis = connect({ target, role, log });
    scratch.owns(() => hangUp(redis));
    return { redis, log };
  }

  function targetOf(setup: SentinelSetup, rest: { password?: string; tls?: RedisTls } = {}) {
    const scheme = rest.tls ? 'rediss+sentinel' : 'redis+sentinel';
    return { url: `${scheme}://${setup.hosts}/${MASTER}`, ...rest };
  }

  /** Milliseconds until the connection is ready on another server than that. */
  async function untilElsewhere(redis: Redis, port: number): Promise<number> {
    const beganMs = performance.now();
    const isElsewhere = () => redis.status === 'ready' && redis.stream.remotePort !== port;
    await eventually('a new primary', isElsewhere, { withinMs: 20_000, everyMs: 5 });
    return performance.now() - beganMs;
  }

  it('finds the primary, and the promoted one after a kill -9 within four seconds', async () => {
    const setup = await SentinelSetup.start(scratch);
    const { redis, log } = open(targetOf(setup));
    await redis.set('a', 1);
    const port = redis.stream.remotePort ?? 0;
    assert.equal(port, await setup.primaryPort());
    setup.server(port).child.kill('SIGKILL');
    const tookMs = await untilElsewhere(redis, port);
    console.log(`      ${Math.round(tookMs)} ms after a kill`);
    assert.equal(await redis.set('a', 2), 'OK');
    assert.ok(tookMs < 4000, `${tookMs} ms`);
    const levels = log.entries.map(({ level }) => level);
    assert.deepEqual([...new Set(levels)], ['warn', 'info'], inspect(log.entries));
    assert.ok(levels.length <= 3, inspect(log.entries));
  });

  it('leaves a primary that hangs as soon as the Sentinels name another', async () => {
    const setup = await SentinelSetup.start(scratch);
    const { redis } = open(targetOf(setup), 'blocking');
    await redis.ping();
    const port = redis.stream.remotePort ?? 0;
    // It would wait for another half minute otherwise.
    const reading = redis.xread('BLOCK', 30_000, 'STREAMS', 'none', '$').catch(() => undefined);
    setup.server(port).child.kill('SIGSTOP');
    const tookMs = await untilElsewhere(redis, port);
    console.log(`      ${Math.round(tookMs)} ms after a stop`);
    assert.ok(tookMs < 5000, `${tookMs} ms`);
    hangUp(redis);
    await reading;
  });

  it('leaves a primary that is demoted by hand', async () => {
    const setup = await SentinelSetup.start(scratch);
    const { redis } = open(targetOf(setup));
    await redis.ping();
    const port = redis.stream.remotePort ?? 0;
    const [sentinel] = setup.sentinels;
    assert.ok(sentinel);
    await setup.ask(sentinel, (client) => client.call('SENTINEL', 'FAILOVER', MASTER));
    const tookMs = await untilElsewhere(redis, port);
    console.log(`      ${Math.round(tookMs)} ms after SENTINEL FAILOVER`);
    assert.equal(await redis.set('a', 2), 'OK');
    assert.ok(tookMs < 5000, `${tookMs} ms`);
  });

  it('does without Sentinels that are dead or frozen, and says nothing of them', async () => {
    const setup = await SentinelSetup.start(scratch);
    // ioredis goes on from the one that it used last, and so asks these alone at first.
    const [, second, third] = setup.sentinels;
    const { redis, log } = open(targetOf(setup));
    await redis.ping();
    second?.child.kill('SIGKILL');
    third?.child.kill('SIGSTOP');
    for (let round = 0; round < 4; round += 1) {
      const beganMs = performance.now();
      const again = new Promise((resolve) => redis.once('ready', resolve));
      redis.stream.destroy();
      await again;
      // One second for the frozen one.
      assert.ok(performance.now() - beganMs < 2500);
    }
    assert.deepEqual(log.entries, []);
  });

  it('uses one password for servers and Sentinels, whether these ask for it or not', async () => {
    const password = 'p w"@/s3cret'.replace(/[ "]/g, '');
    for (const sentinelPassword of [undefined, password]) {
      const setup = await SentinelSetup.start(scratch, {
        password,
        ...(sentinelPassword !== undefined && { sentinelPassword }),
      });
      const { redis, log } = open(targetOf(setup, { password }));
      assert.equal(await redis.set('a', 1), 'OK');
      assert.deepEqual(log.entries, []);
      await scratch.clear();
    }
  });

  it('says once what is wrong, without a password', async () => {
    const password = 's3cret-right';
    const setup = await SentinelSetup.start(scratch, { password, sentinelPassword: password });
    const nobody = `redis+sentinel://127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`;
    for (const [target, reason] of [
      [targetOf(setup), /no Sentinel is in reach.*: NOAUTH: the server asks for a password/],
      [targetOf(setup, { password: 's3cret' }), /no Sentinel.*: WRONGPASS/],
      [
        { url: `redis+sentinel://${setup.hosts}/another`, password },
        /the Sentinels know no primary of that name/,
      ],
      [{ url: `${nobody}/${MASTER}`, password }, /no Sentinel is in reach.*ECONNREFUSED/],
    ] as const) {
      const { redis, log } = open(target);
      const rejection = redis.ping().catch((error) => error);
      await eventually('a reason', () => log.entries.length > 0);
      // Some more tries: they come every 250 ms.
      await new Promise((resolve) => setTimeout(resolve, 1200));
      assert.equal(log.entries.length, 1, inspect(log.entries));
      assert.match(String(log.entries[0]?.fields['reason']), reason);
      hangUp(redis);
      assert.doesNotMatch(inspect([log.entries, await rejection], { depth: 9 }), /s3cret/);
    }
  });

  it('speaks TLS to Sentinels and servers', async () => {
    const authority = await Authority.create(join(await scratch.dir(), 'authority'));
    const { cert, key } = await authority.sign('all', 'IP:127.0.0.1');
    const client = await authority.trusted(await authority.sign('client', 'DNS:client'));
    const directives = [
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${authority.cert}`,
    ];
    const setup = await SentinelSetup.start(scratch, { tls: { directives, client } });
    const { redis } = open(targetOf(setup, { tls: client }));
    assert.equal(await redis.set('a', 1), 'OK');
    const port = redis.stream.remotePort ?? 0;
    const without = open(targetOf(setup, { tls: await authority.trusted() }));
    await eventually('a reason', () => without.log.entries.length > 0);
    assert.match(inspect(without.log.entries), /no Sentinel.*asks? for a certificate/);
    setup.server(port).child.kill('SIGKILL');
    const tookMs = await untilElsewhere(redis, port);
    assert.ok(tookMs < 5000, `${tookMs} ms`);
  });

  it('leaves nothing behind when it is ended, whatever it was doing', async () => {
    const setup = await SentinelSetup.start(scratch);
    const isClean = () => !process.getActiveResourcesInfo().some((each) => /TCP/.test(each));
    await eventually('nothing open', isClean);
    for (const waitMs of [0, 1, 5, 20, 60, 200]) {
      const { redis } = open(targetOf(setup));
      await new Promise((resolve) => setTimeout(resolve, waitMs)); // the moments are the point here
      hangUp(redis);
      await eventually(`nothing open after ${waitMs} ms`, isClean);
    }
    const { redis } = open(targetOf(setup));
    await redis.ping();
    setup.server(redis.stream.remotePort ?? 0).child.kill('SIGKILL');
    await eventually('it waits', () => redis.status === 'reconnecting', { everyMs: 1 });
    hangUp(redis);
    await eventually('nothing open after the end of one that waited', isClean);
  });
});
