import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { systemClock } from '../../src/clock.js';
import { sealBeat, unsealBeat } from '../../src/cluster/beat.js';
import { createMembers, type Members, type Verdict } from '../../src/cluster/members.js';
import type { ClusterHostStatus } from '../../src/cluster/status.js';
import type { ClusterKeys } from '../../src/cluster/types.js';
import { poll } from '../support/poll.js';
import { recordingLog } from '../support/recording-log.js';
import { FakeRedis } from './support/fake-redis.js';
import { FakeShared } from './support/fake-shared.js';
import { FakeTime } from './support/fake-time.js';
import { SharedBench } from './wire/support.js';

const SEED = Number(process.env['MEMBERS_SEED'] ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env['MEMBERS_RUNS'] ?? 300);

const TOLERANCE_MS = 2000;
const HOUR_MS = 3_600_000;

function keysOf(...fill: readonly number[]): ClusterKeys {
  const all = fill.map((byte) => createSecretKey(Buffer.alloc(32, byte)));
  return { signing: all[0]!, all };
}

/** One host, from before its start. */
class Host {
  readonly shared: FakeShared;
  readonly members: Members;
  readonly log = recordingLog();
  readonly verdicts: Verdict[] = [];
  keys: ClusterKeys;
  doors: Record<string, string> = { ssh: 'a' };

  constructor(
    time: FakeTime,
    redis: FakeRedis,
    readonly name: string,
    { keys = keysOf(1), wallOffMs = 0, isReady = true } = {},
  ) {
    this.keys = keys;
    this.shared = new FakeShared(redis, name, { isReady });
    this.shared.aheadMs = wallOffMs;
    this.members = createMembers({
      ...{ shared: this.shared, keys: () => this.keys, cluster: 'demo', host: name },
      ...{ version: '1.0', doors: () => this.doors, clockToleranceMs: TOLERANCE_MS },
      ...{ clock: time.clock(wallOffMs), log: this.log },
      onVerdict: (verdict) => this.verdicts.push(verdict),
    });
  }

  get verdict(): string | undefined {
    return this.verdicts.at(-1)?.kind;
  }

  get reason(): string {
    const last = this.verdicts.at(-1);
    return last?.kind === 'refused' ? last.reason : '';
  }

  /** How often it wrote a sign of life. */
  get beats(): number {
    return this.shared.calls.get('beat') ?? 0;
  }

  /** It is killed, or cut off: nothing more comes from it. */
  die(): void {
    this.shared.lose();
  }

  sees(host: string): ClusterHostStatus {
    const status = this.members.hosts().find((one) => one.host === host);
    assert.ok(status, `${this.name} does not see ${host}`);
    return status;
  }

  said(level: 'info' | 'warn', part: string): number {
    const lines = this.log.entries.filter((entry) => entry.level === level);
    return lines.filter(({ message }) => message.includes(part)).length;
  }
}

describe('the members of a cluster', () => {
  let time: FakeTime;
  let redis: FakeRedis;
  const hosts: Host[] = [];
  beforeEach(() => {
    time = new FakeTime();
    redis = new FakeRedis(time.clock());
  });
  afterEach(async () => {
    const ends = hosts.splice(0).map(({ members }) => members.stop());
    await time.pass(300);
    await Promise.all(ends);
    time.end();
  });

  function host(name: string, options?: ConstructorParameters<typeof Host>[3]): Host {
    const made = new Host(time, redis, name, options);
    hosts.push(made);
    return made;
  }

  function start(name: string, options?: ConstructorParameters<typeof Host>[3]): Host {
    const started = host(name, options);
    started.members.start();
    return started;
  }

  it('takes the first host in at once, and the next as well', async () => {
    for (const name of ['b1', 'b2', 'b3']) {
      const { members } = start(name);
      await time.settle();
      assert.deepEqual(await members.ready(), { kind: 'fine' });
    }
    await time.pass(2000);
    for (const one of hosts) {
      const seen = one.members.hosts();
      assert.deepEqual(
        seen.map(({ host, state, isSelf }) => [host, state, isSelf]),
        ['b1', 'b2', 'b3'].map((name) => [name, 'alive', name === one.name]),
      );
      assert.ok(seen.every(({ seenSecondsAgo }) => seenSecondsAgo <= 2));
    }
  });

  it('tells how long ago a host gave a sign of life, that it is lost, and that it is back', async () => {
    const b1 = start('b1');
    const b2 = start('b2');
    await time.pass(10_000);
    b2.die();
    await time.pass(5000);
    assert.equal(b1.sees('b2').state, 'alive');
    await time.pass(5000);
    assert.equal(b1.sees('b2').state, 'away');
    assert.equal(b1.members.isAlive('b2'), false);
    const { seenSecondsAgo } = b1.sees('b2');
    assert.ok(seenSecondsAgo >= 9 && seenSecondsAgo <= 12, `${seenSecondsAgo} s`);
    await time.pass(60_000);
    assert.equal(b1.said('warn', 'gives no sign of life'), 1);
    b2.shared.restore();
    await time.pass(3000);
    assert.equal(b1.sees('b2').state, 'alive');
    assert.equal(b1.members.isAlive('b2'), true);
    assert.equal(b1.said('info', 'is back'), 1);
    // The one that was cut off does not say that the others were lost.
    assert.equal(b2.said('warn', 'gives no sign of life'), 0);
  });

  it('does not say that hosts are lost when Redis was, and says so of one that is', async () => {
    const [b1, b2, b3] = [start('b1'), start('b2'), start('b3')];
    await time.pass(5000);
    for (const one of hosts) one.die();
    await time.pass(60_000);
    for (const one of [b1, b2]) one.shared.restore();
    await time.pass(5000);
    assert.equal(b1.said('warn', 'gives no sign of life'), 0);
    assert.equal(b1.sees('b2').state, 'alive');
    assert.equal(b1.sees(b3.name).state, 'away');
    await time.pass(10_000);
    assert.equal(b1.said('warn', 'gives no sign of life'), 1);
    assert.equal(b2.sees('b1').state, 'alive');
  });

  it('tells a host that stopped from one that is lost', async () => {
    const b1 = start('b1');
    const b2 = start('b2');
    await time.pass(4000);
    await b2.members.stop();
    await time.pass(2000);
    assert.equal(b1.sees('b2').state, 'stopped');
    assert.equal(b1.members.isAlive('b2'), false);
    await time.pass(60_000);
    assert.equal(b1.sees('b2').state, 'stopped');
    assert.equal(b1.said('info', 'has stopped'), 1);
    assert.equal(b1.said('warn', 'gives no sign'), 0);
    const b3 = start('b3');
    await time.pass(20_000);
    assert.deepEqual([b3.sees('b2').state, b3.said('info', 'has stopped')], ['stopped', 0]);
  });

  it('knows the age of a sign of life at first sight, whatever the clocks say', async () => {
    const b2 = start('b2', { wallOffMs: 5 * HOUR_MS });
    await time.pass(2000);
    b2.die();
    await time.pass(100_000);
    const b1 = start('b1', { wallOffMs: -7 * HOUR_MS });
    await time.settle();
    const { state, seenSecondsAgo } = b1.sees('b2');
    assert.equal(state, 'away');
    assert.ok(seenSecondsAgo >= 99 && seenSecondsAgo <= 103, `${seenSecondsAgo} s`);
  });

  it('does not need the clock once it has seen a host', async () => {
    const b1 = start('b1');
    const b2 = start('b2');
    await time.pass(4000);
    // As measured for a wall clock that was set in between.
    b2.shared.aheadMs = HOUR_MS;
    b1.shared.aheadMs = -HOUR_MS;
    await time.pass(20_000);
    assert.equal(b1.sees('b2').state, 'alive');
    // Not further off than the time between two looks.
    assert.ok(b1.sees('b2').seenSecondsAgo <= 4);
  });

  describe('with another key', () => {
    it('takes no part, says why, and writes nothing', async () => {
      const b1 = start('b1');
      await time.pass(2000);
      const b2 = start('b2', { keys: keysOf(2) });
      await time.settle();
      assert.equal(b2.verdict, 'refused');
      assert.match(b2.reason, /verifies under the key/);
      await time.pass(30_000);
      assert.equal(b2.beats, 0);
      assert.equal(b2.verdicts.length, 1);
      assert.deepEqual([b1.verdict, b1.members.hosts().length], ['fine', 1]);
    });

    it('stays out though the others are away, and after they stopped', async () => {
      const b1 = start('b1');
      await time.pass(2000);
      await b1.members.stop();
      const b2 = start('b2', { keys: keysOf(2) });
      await time.pass(60_000);
      assert.equal(b2.verdict, 'refused');
    });

    it('is taken in once it has the key, or the others are forgotten', async () => {
      const b1 = start('b1');
      await time.pass(2000);
      const b2 = start('b2', { keys: keysOf(2) });
      const b3 = start('b3', { keys: keysOf(3) });
      await time.settle();
      assert.deepEqual([b2.verdict, b3.verdict], ['refused', 'refused']);
      b2.keys = keysOf(1);
      await time.pass(4000);
      assert.equal(b2.verdict, 'fine');
      assert.equal(b1.sees('b2').state, 'alive');
      b1.die();
      b2.die();
      await b3.shared.forgetHost('b1');
      await b3.shared.forgetHost('b2');
      await time.pass(2000);
      assert.equal(b3.verdict, 'fine');
    });

    it('of a rotation is taken in as long as one is common', async () => {
      const b1 = start('b1', { keys: keysOf(1) });
      await time.pass(2000);
      const b2 = start('b2', { keys: keysOf(2, 1) });
      await time.settle();
      assert.equal(b2.verdict, 'fine');
      b1.keys = keysOf(1, 2);
      await time.pass(2000);
      b1.keys = keysOf(2, 1);
      await time.pass(2000);
      b2.keys = keysOf(2);
      await time.pass(10_000);
      assert.deepEqual([b1.verdicts, b2.verdicts], [[{ kind: 'fine' }], [{ kind: 'fine' }]]);
      assert.equal(b1.sees('b2').state, 'alive');
      assert.equal(b2.sees('b1').state, 'alive');
    });

    it('does not put out hosts that verify each other', async () => {
      const b1 = start('b1');
      const b2 = start('b2');
      await time.pass(2000);
      redis.hosts.set('mallory', 'nonsense');
      redis.hosts.set('b9', sealBeat(keysOf(9), 'demo', beatOf('b9')));
      await time.pass(6000);
      assert.deepEqual([b1.verdict, b2.verdict], ['fine', 'fine']);
      assert.equal(b1.said('warn', 'does not verify'), 2);
      assert.deepEqual(
        b1.members.hosts().map((one) => one.host),
        ['b1', 'b2'],
      );
    });
  });

  describe('with a name that is taken', () => {
    it('takes no part within 4 s, and overwrites nothing', async () => {
      const first = start('b1');
      await time.pass(5000);
      const beats = first.beats;
      const second = start('b1');
      const verdict = second.members.ready();
      await time.pass(4000);
      assert.equal((await verdict).kind, 'refused');
      assert.match(second.reason, /named b1/);
      await time.pass(20_000);
      assert.equal(second.beats, 0);
      assert.deepEqual(first.verdicts, [{ kind: 'fine' }]);
      assert.ok(first.beats >= beats + 11);
    });

    it('takes it over when the other stops, and later when it is lost', async () => {
      const first = start('b1');
      await time.pass(2000);
      const second = start('b1');
      const third = start('b1');
      await time.pass(4000);
      assert.deepEqual([second.verdict, third.verdict], ['refused', 'refused']);
      await first.members.stop();
      await time.pass(4000);
      const winner = second.verdict === 'fine' ? second : third;
      const loser = winner === second ? third : second;
      assert.deepEqual([winner.verdict, loser.verdict], ['fine', 'refused']);
      winner.die();
      await time.pass(8000);
      assert.equal(loser.verdict, 'refused');
      await time.pass(8000);
      assert.equal(loser.verdict, 'fine');
    });

    it(`leaves exactly one of those that start together (MEMBERS_SEED=${SEED})`, async function () {
      this.timeout(20_000 + RUNS * 100);
      const starts = fc.record({
        delaysMs: fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 2, maxLength: 4 }),
        latenciesMs: fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 50 }),
      });
      const property = fc.asyncProperty(starts, async ({ delaysMs, latenciesMs }) => {
        let turn = 0;
        const started = delaysMs.map(() => host('b1'));
        for (const [index, { shared, members }] of started.entries()) {
          shared.latency = () => {
            turn += 1;
            const ms = latenciesMs[turn % latenciesMs.length];
            return new Promise((resolve) => setTimeout(resolve, ms));
          };
          setTimeout(() => members.start(), delaysMs[index]);
        }
        await time.pass(40_000);
        const fine = started.filter(({ verdict }) => verdict === 'fine');
        assert.equal(fine.length, 1);
        const [winner] = fine;
        const beats = started.map((one) => one.beats);
        await time.pass(20_000);
        for (const [index, one] of started.entries()) {
          assert.equal(one.verdict, one === winner ? 'fine' : 'refused');
          assert.equal(one.beats > beats[index]!, one === winner);
        }
        for (const { members } of started) void members.stop();
        await time.pass(2000);
        redis.hosts.clear();
        hosts.length = 0;
      });
      await fc.assert(property, { numRuns: RUNS / 10, seed: SEED });
    });

    it('is not put out by a predecessor that crashed: three seconds make sure', async () => {
      const before = start('b1');
      await time.pass(5000);
      before.die();
      await time.pass(100);
      const after = start('b1');
      const verdict = after.members.ready();
      await time.pass(2500);
      assert.equal(after.verdict, undefined);
      assert.equal(after.beats, 0);
      await time.pass(1000);
      assert.deepEqual(await verdict, { kind: 'fine' });
      assert.ok(after.beats > 0);
    });

    it('does not wait for a predecessor that said goodbye, or is gone for ten seconds', async () => {
      const before = start('b1');
      await time.pass(2000);
      await before.members.stop();
      const after = start('b1');
      await time.settle();
      assert.equal(after.verdict, 'fine');
      after.die();
      await time.pass(10_100);
      const later = start('b1', { wallOffMs: -HOUR_MS });
      await time.settle();
      assert.equal(later.verdict, 'fine');
    });

    it('is refused when it comes back and finds its place taken', async () => {
      const first = start('b1');
      await time.pass(2000);
      first.die();
      await time.pass(12_000);
      const second = start('b1');
      await time.pass(4000);
      assert.equal(second.verdict, 'fine');
      const beats = first.beats;
      first.shared.restore();
      await time.pass(6000);
      assert.deepEqual([first.verdict, second.verdict], ['refused', 'fine']);
      assert.equal(first.beats, beats);
      assert.deepEqual(second.verdicts, [{ kind: 'fine' }]);
    });
  });

  describe('with clocks that differ', () => {
    it('shows who is beyond the tolerance, and says so once when it begins and ends', async () => {
      const b1 = start('b1');
      const b2 = start('b2', { wallOffMs: 5000 });
      const b3 = start('b3', { wallOffMs: -1500 });
      await time.pass(20_000);
      assert.equal(b1.sees('b2').clockAheadMs, 5000);
      assert.equal(b2.sees('b1').clockAheadMs, -5000);
      assert.equal(b3.sees('b2').clockAheadMs, 6500);
      assert.equal('clockAheadMs' in b1.sees('b3'), false);
      assert.equal(b1.said('warn', 'clock'), 1);
      b2.shared.aheadMs = 100;
      await time.pass(20_000);
      assert.equal('clockAheadMs' in b1.sees('b2'), false);
      assert.equal(b1.said('warn', 'clock'), 1);
      assert.equal(b1.said('info', 'clock'), 1);
    });

    it('does not believe a single measurement', async () => {
      const b1 = start('b1');
      const b2 = start('b2');
      await time.pass(5000);
      b2.shared.aheadMs = 9000;
      await time.pass(2000);
      b2.shared.aheadMs = 0;
      await time.pass(20_000);
      assert.equal(b1.said('warn', 'clock'), 0);
    });

    it('does not care for the clock of Redis', async () => {
      const b1 = start('b1');
      const b2 = start('b2');
      b1.shared.aheadMs = HOUR_MS;
      b2.shared.aheadMs = HOUR_MS + 20;
      await time.pass(10_000);
      assert.equal('clockAheadMs' in b1.sees('b2'), false);
      assert.equal(b1.said('warn', 'clock'), 0);
    });
  });

  it('shows which doors differ, and says so once', async () => {
    const b1 = start('b1');
    const b2 = start('b2');
    b1.doors = { ssh: 'k1 k2', web: 'x', backup: 'y' };
    b2.doors = { ssh: 'k2', web: 'z', ['__proto__']: 'p', other: 'q' };
    await time.pass(10_000);
    const { doorsMissingHere, doorsMissingThere, doorsThatDiffer } = b1.sees('b2');
    assert.deepEqual(
      [doorsMissingHere, doorsMissingThere, doorsThatDiffer],
      [['__proto__', 'other'], ['backup'], ['web']],
    );
    assert.equal(b1.said('warn', 'other doors'), 1);
    b2.doors = b1.doors;
    await time.pass(10_000);
    assert.deepEqual(b1.sees('b2').doorsThatDiffer, []);
    assert.equal(b1.said('info', 'same doors again'), 1);
  });

  it('gives a verdict for each connection, and none while the shared Redis is away', async () => {
    const b1 = start('b1', { isReady: false });
    const early = b1.members.ready();
    const failure = assert.rejects(early, { code: 'POSTERN_E_CLUSTER' });
    await time.pass(4000);
    await failure;
    const late = b1.members.ready();
    await time.pass(1000);
    b1.shared.restore();
    assert.deepEqual(await late, { kind: 'fine' });
    b1.shared.lose();
    const next = b1.members.ready();
    await time.pass(1000);
    b1.shared.restore();
    assert.deepEqual(await next, { kind: 'fine' });
    b1.shared.lose();
    const last = assert.rejects(b1.members.ready(), { code: 'POSTERN_E_CLUSTER' });
    await b1.members.stop();
    await last;
  });

  it('goes on after commands that failed', async () => {
    const b1 = start('b1');
    const b2 = start('b2');
    await time.pass(2000);
    let turn = 0;
    b2.shared.fault = () => {
      turn += 1;
      return turn % 3 === 0 ? 'refused' : undefined;
    };
    await time.pass(30_000);
    assert.equal(b1.sees('b2').state, 'alive');
    assert.equal(b1.said('warn', 'no sign'), 0);
  });

  it('writes a sign of life every two seconds, however often the connection was lost', async () => {
    const b1 = start('b1');
    b1.shared.latency = () => new Promise((resolve) => setTimeout(resolve, 100));
    for (let turn = 0; turn < 10; turn += 1) {
      await time.pass(turn * 50);
      b1.shared.lose();
      b1.shared.restore();
    }
    await time.pass(1000);
    const { beats } = b1;
    await time.pass(24_000);
    // Four tenths of a second go by on the way there and back.
    assert.equal(b1.beats - beats, 10);
  });

  it('writes no sign of life without a look whose stands there', async () => {
    const b1 = start('b1');
    await time.pass(2000);
    const { beats } = b1;
    b1.shared.fault = (command) => (command === 'beats' ? 'refused' : undefined);
    await time.pass(10_000);
    assert.equal(b1.beats, beats);
  });

  it('says goodbye in 200 ms, though Redis hangs', async () => {
    const b1 = start('b1');
    await time.pass(2000);
    b1.shared.latency = () => new Promise(() => {});
    let hasStopped = false;
    const stopping = b1.members.stop().then(() => {
      hasStopped = true;
    });
    await time.pass(150);
    assert.equal(hasStopped, false);
    await time.pass(100);
    await stopping;
  });

  it('writes no goodbye for a host that takes no part', async () => {
    start('b1');
    await time.pass(2000);
    const second = start('b1');
    await time.pass(4000);
    await second.members.stop();
    assert.equal(second.beats, 0);
  });

  describe('before a hostile Redis', () => {
    it('counts no old sign of life again', async () => {
      const b1 = start('b1');
      const old: string[] = [];
      for (let instance = 0; instance < 4; instance += 1) {
        const b2 = start('b2');
        for (let beat = 0; beat < 4; beat += 1) {
          await time.pass(4000);
          old.push(redis.hosts.get('b2') ?? '');
        }
        b2.die();
        await time.pass(12_000);
      }
      assert.equal(new Set(old).size, 16);
      assert.equal(b1.sees('b2').state, 'away');
      for (const text of [...old, ...old.slice().reverse()]) {
        redis.hosts.set('b2', text);
        await time.pass(2000);
        assert.equal(b1.sees('b2').state, 'away');
      }
    });

    it('takes no sign of life of one host for that of another, or of another cluster', async () => {
      const b1 = start('b1');
      start('b2');
      await time.pass(2000);
      redis.hosts.set('b3', redis.hosts.get('b2') ?? '');
      redis.hosts.set('b4', sealBeat(keysOf(1), 'another', beatOf('b4')));
      await time.pass(2000);
      assert.deepEqual(
        b1.members.hosts().map((one) => one.host),
        ['b1', 'b2'],
      );
      const text = sealBeat(keysOf(1), 'demo', beatOf('b5'));
      assert.equal(unsealBeat(keysOf(1), 'demo', 'b6', text), 'foreign');
      assert.equal(unsealBeat(keysOf(1), 'demo', 'b5', `${text} `), 'foreign');
      assert.notEqual(unsealBeat(keysOf(1), 'demo', 'b5', text), 'foreign');
    });

    it(`lives through whatever it holds (MEMBERS_RUNS=${RUNS}, MEMBERS_SEED=${SEED})`, async function () {
      this.timeout(20_000);
      const junk = fc.oneof(
        fc.string(),
        fc.json().map((json) => sealBeat(keysOf(1), 'demo', JSON.parse(json))),
        fc.constantFrom('b1', 'b2').map((name) => sealBeat(keysOf(1), 'demo', beatOf(name))),
      );
      const names = fc.oneof(fc.string(), fc.constantFrom('b1', 'b2', 'b3', '__proto__'));
      const b1 = start('b1');
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(names, junk), { maxLength: 400 }), async (beats) => {
          for (const [name, text] of beats) redis.hosts.set(name, text);
          await time.pass(2000);
          assert.equal(b1.members.hosts().filter(({ isSelf }) => isSelf).length, 1);
          redis.flush();
        }),
        { numRuns: RUNS, seed: SEED },
      );
      await time.pass(20_000);
      assert.equal(b1.verdict, 'fine');
    });
  });
});

describe('the members of a cluster on a real server', () => {
  const bench = new SharedBench();
  const members: Members[] = [];
  before(() => bench.start());
  after(async () => {
    await Promise.all(members.map((one) => one.stop()));
    await bench.next();
    await bench.stop();
  });

  it('see each other, and refuse who has another key', async () => {
    const join = async (host: string, keys: ClusterKeys) => {
      const made = createMembers({
        ...{ shared: await bench.ready({ host }), keys: () => keys, cluster: bench.cluster, host },
        ...{ version: '1.0', doors: () => ({}), clockToleranceMs: TOLERANCE_MS },
        ...{ clock: systemClock, log: recordingLog(), onVerdict: () => {} },
      });
      members.push(made);
      made.start();
      return { made, verdict: await made.ready() };
    };
    const b1 = await join('b1', keysOf(1));
    const b2 = await join('b2', keysOf(1));
    const b3 = await join('b3', keysOf(2));
    const kinds = [b1, b2, b3].map(({ verdict }) => verdict.kind);
    assert.deepEqual(kinds, ['fine', 'fine', 'refused']);
    await poll(() => b1.made.isAlive('b2') && b2.made.isAlive('b1'), 'they see each other');
    assert.equal(b1.made.hosts().length, 2);
    assert.ok(b1.made.hosts().every((one) => !('clockAheadMs' in one)));
    await b2.made.stop();
    await poll(() => b1.made.hosts()[1]?.state === 'stopped', 'it has stopped');
  });
});

function beatOf(host: string) {
  return {
    ...{ host, instance: 'x', counter: 1, atMs: 1.7e12, aheadMs: 0, version: '1.0' },
    ...{ doors: [], stopping: false },
  };
}
