import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StreamEntry } from '../../../src/cluster/types.js';
import { BadWire } from '../../support/bad-wire.js';
import { poll } from '../../support/poll.js';
import { recordingLog } from '../../support/recording-log.js';
import { first, range, SharedBench, untilReady } from './support.js';

describe('the cluster journal', () => {
  const bench = new SharedBench();
  let stop: AbortController;
  before(() => bench.start());
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await bench.next();
  });
  after(() => bench.stop());

  it('is read whole and in order, from the oldest or after an entry, page by page', async () => {
    const shared = await bench.ready();
    const ids = await append(range(1203));
    const entries = await first(2000, shared.read());
    assert.deepEqual(numbers(entries), range(1203));
    assert.deepEqual(
      entries.map(({ streamId }) => streamId),
      ids,
    );
    assert.deepEqual(numbers(await first(2000, shared.read(ids[700]))), range(1203).slice(701));
    assert.deepEqual(await first(2000, shared.read(ids.at(-1))), []);
  });

  it('is read from the oldest when the entry to go on after was cut off', async () => {
    const shared = await bench.ready();
    const ids = await append(range(10));
    await bench.raw((redis) => redis.xtrim(bench.key('journal'), 'MAXLEN', 4));
    assert.deepEqual(numbers(await first(20, shared.read(ids[2]))), [6, 7, 8, 9]);
    const followed = await first(4, shared.follow(ids[2], stop.signal));
    assert.deepEqual(numbers(followed), [6, 7, 8, 9]);
  });

  it('cannot be read while Redis is away', async () => {
    const shared = bench.open({ target: { socket: '/nowhere/redis.sock' } });
    await assert.rejects(first(1, shared.read()), { code: 'POSTERN_E_CLUSTER' });
  });

  it('gives nothing more once the signal aborts', async () => {
    const shared = await bench.ready();
    await append(range(20));
    for (const open of [
      () => shared.read(undefined, stop.signal),
      () => shared.follow(undefined, stop.signal),
    ]) {
      const found: StreamEntry[] = [];
      for await (const entry of open()) {
        found.push(entry);
        if (found.length === 5) stop.abort();
      }
      assert.equal(found.length, 5);
      stop = new AbortController();
    }
    const waiting = first(1, shared.follow((await append([1]))[0], stop.signal));
    const asked = performance.now();
    stop.abort();
    assert.deepEqual(await waiting, []);
    assert.ok(performance.now() - asked < 100);
  });

  it('leaves no connection behind', async () => {
    const shared = await bench.ready();
    await append(range(20));
    const before = await connections();
    await first(20, shared.follow(undefined, stop.signal));
    assert.equal(await connections(), before + 1);
    for await (const _ of shared.follow(undefined, stop.signal)) break;
    stop.abort();
    await poll(async () => (await connections()) === before, 'its connections are closed');
    shared.follow(undefined, new AbortController().signal); // never begun
    assert.equal(await connections(), before);
  });

  it('is followed as it grows', async () => {
    const shared = await bench.ready();
    const following = collect(shared.follow(undefined, stop.signal));
    for (const index of range(50)) await append([index]);
    await poll(() => following.length === 50, 'all of them');
    assert.deepEqual(numbers(following), range(50));
  });

  it('is followed through cuts of the connection, each entry once', async () => {
    const socket = join(bench.server.socket, '..', 'follow.sock');
    const wire = new BadWire(bench.server.socket);
    await wire.listen(socket);
    try {
      const shared = await bench.ready({ target: { socket } });
      const following = collect(shared.follow(undefined, stop.signal));
      for (const index of range(300)) {
        await append([index]);
        if (index % 100 === 50) wire.cut();
      }
      await poll(() => following.length === 300, 'all of them');
      assert.deepEqual(numbers(following), range(300));
    } finally {
      await wire.close();
      await rm(socket, { force: true });
    }
  });

  it('is followed through kills of Redis', async () => {
    const shared = await bench.ready();
    const following = collect(shared.follow(undefined, stop.signal));
    await append(range(10));
    await poll(() => following.length === 10, 'the first');
    process.kill(bench.server.pid ?? 0, 'SIGKILL');
    await poll(() => !shared.isReady, 'it is lost');
    await untilReady(shared);
    await append(range(10));
    await poll(() => following.length === 20, 'the rest');
    assert.deepEqual(numbers(following), [...range(10), ...range(10)]);
  });

  it('is followed from the oldest again after FLUSHALL', async () => {
    const shared = await bench.ready();
    const following = collect(shared.follow(undefined, stop.signal));
    await append([1, 2, 3]);
    await poll(() => following.length === 3, 'the first');
    await bench.raw((redis) => redis.flushall());
    await append([4, 5]);
    await poll(() => following.length === 5, 'the new ones');
    assert.deepEqual(numbers(following), [1, 2, 3, 4, 5]);
  });

  it('is followed from the oldest again when a failover lost its tail', async () => {
    const shared = await bench.ready();
    const key = bench.key('journal');
    await bench.raw(async (redis) => {
      for (const n of range(5).slice(1)) await redis.xadd(key, `${n}000-0`, 'n', n);
    });
    const following = collect(shared.follow(undefined, stop.signal));
    await poll(() => following.length === 4, 'the first');
    // The replica that took over had the first two, and its clock is behind: its ids are smaller.
    await bench.raw(async (redis) => {
      const add = (id: string, n: number) => redis.xadd(key, id, 'n', n);
      await redis.del(key);
      for (const adding of [add('1000-0', 1), add('2000-0', 2), add('2500-0', 5)]) await adding;
    });
    await poll(() => following.length === 7, 'what is there now');
    assert.deepEqual(numbers(following), [1, 2, 3, 4, 1, 2, 5]);
    await append([6]);
    await poll(() => following.length === 8, 'and what comes');
  });

  it('says once why it cannot be followed, and goes on when it can', async () => {
    const log = recordingLog();
    const shared = await bench.ready({ log });
    const key = bench.key('journal');
    await bench.raw((redis) => redis.set(key, 'no stream'));
    const following = collect(shared.follow(undefined, stop.signal));
    const said = () => log.entries.filter(({ message }) => /cannot be followed/.test(message));
    await poll(() => said().length > 0, 'it is said');
    await bench.raw((redis) => redis.del(key));
    await append([1]);
    await poll(() => following.length === 1, 'it goes on');
    assert.equal(said().length, 1);
    assert.match(JSON.stringify(said()[0]), /WRONGTYPE.*"redis":"shared"/);
  });

  function append(values: readonly number[]): Promise<string[]> {
    return bench.raw(async (redis) => {
      const adding = values.map((n) => redis.xadd(bench.key('journal'), '*', 'n', String(n)));
      return (await Promise.all(adding)).map(String);
    });
  }

  /** What has come so far. */
  function collect(entries: AsyncIterable<StreamEntry>): StreamEntry[] {
    const found: StreamEntry[] = [];
    void (async () => {
      for await (const entry of entries) found.push(entry);
    })();
    return found;
  }

  function numbers(entries: readonly StreamEntry[]): number[] {
    return entries.map(({ fields }) => Number(fields[1]));
  }

  async function connections(): Promise<number> {
    const clients = await bench.raw((redis) => redis.call('CLIENT', 'LIST'));
    return String(clients).trim().split('\n').length - 1;
  }
});
