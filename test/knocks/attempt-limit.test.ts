import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LatestWords } from '../../src/knocks/address-words.js';
import { AttemptLimit, type LimitVerdict } from '../../src/knocks/attempt-limit.js';

const FLOOD = Number(process.env['LIMIT_SOURCES'] ?? 1_000_000);
const SOURCE = '198.51.100.1';

/** A source's verdicts for attempts at these times, ms. */
function verdicts(limit: AttemptLimit, perMinute: number, timesMs: readonly number[], of = SOURCE) {
  return timesMs.map((atMs) => limit.begin(of, atMs, perMinute));
}

const times = (count: number, of: LimitVerdict): LimitVerdict[] =>
  Array<LimitVerdict>(count).fill(of);

const v4 = (n: number) => `${10 + (n >>> 24)}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;

describe('a limit of attempts for each source', () => {
  it('lets as many through at once as it says, for every number and on every clock', () => {
    const perMinute = fc.integer({ min: 1, max: 10_000 });
    const startMs = fc.oneof(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.constant(1.7e12 + 0.1),
    );
    const property = fc.property(perMinute, startMs, (most, atMs) => {
      const limit = new AttemptLimit();
      for (let n = 0; n < most; n++) assert.equal(limit.begin(SOURCE, atMs, most), 'within');
      assert.equal(limit.begin(SOURCE, atMs, most), 'exceeds');
      assert.equal(limit.begin(SOURCE, atMs, most), 'ignored');
    });
    // The second needs more than a millisecond of rounding.
    const examples: [number, number][] = [
      [10_000, 1.7e12 + 0.1],
      [9988, 1.7e12 + 0.1],
    ];
    fc.assert(property, { numRuns: 30, examples });
  });

  it('gives one back after its share of a minute, and no more than the bucket holds', () => {
    const limit = new AttemptLimit();
    assert.deepEqual(verdicts(limit, 3, [0, 0, 0, 20_000]), times(4, 'within'));
    assert.deepEqual(verdicts(limit, 3, [39_000]), ['exceeds']);
    const rested = new AttemptLimit();
    assert.deepEqual(verdicts(rested, 2, [0, 0, 1e6, 1e6]), times(4, 'within'));
    assert.deepEqual(verdicts(rested, 2, [1e6]), ['exceeds']);
  });

  it('ignores a source for a minute from the attempt that was too many, then begins anew', () => {
    const limit = new AttemptLimit();
    verdicts(limit, 1, [1000, 2000]);
    assert.equal(limit.ignores(SOURCE, 61_999.9), true);
    assert.equal(limit.ignoredCount(61_999.9), 1);
    assert.equal(limit.nextSweepMs, 62_000);
    assert.deepEqual(verdicts(limit, 1, [61_999.9]), ['ignored']);
    assert.equal(limit.ignores(SOURCE, 62_000), false);
    assert.equal(limit.ignoredCount(62_000), 0);
    assert.deepEqual(verdicts(limit, 1, [62_000, 62_000]), ['within', 'exceeds']);
  });

  it('tells sources apart: IPv4 by address, IPv6 by /64, and never one for the other', () => {
    const limit = new AttemptLimit();
    verdicts(limit, 1, [0, 0], '1.2.3.4');
    verdicts(limit, 1, [0, 0], '2001:db8:0:7::1');
    for (const same of ['1.2.3.4', '2001:db8:0:7:ffff::', '2001:db8:0:7:1:2:3:4']) {
      assert.equal(limit.ignores(same, 1), true, same);
    }
    const others = ['1.2.3.5', '2001:db8::7:0:0:1', '2001:db8:0:8::1', '2001:db8:1:7::1'];
    // What an IPv4 address looks like as words of an IPv6 one.
    const alike = ['::102:304', '0:0:102:304::', '0:ffff:102:304::1', '0:0:0:102::', '::'];
    for (const other of [...others, ...alike]) assert.equal(limit.ignores(other, 1), false, other);
    assert.equal(limit.ignoredCount(1), 2);
    // Often enough that some of them stand in one set of the table.
    for (let n = 0; n < 4000; n++) {
      const own = v4(n);
      verdicts(limit, 1, [n * 1e6, n * 1e6], own);
      const [a = 0, b = 0, c = 0, d = 0] = own.split('.').map(Number);
      const low = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
      assert.equal(limit.ignores(`0:0:${low}::1`, n * 1e6 + 1), false, own);
    }
  });

  it('eviction only forgets: no flood brings a source nearer to being ignored', () => {
    const limit = new AttemptLimit(new LatestWords(), 1024);
    const honest = [0, 10_000, 20_000, 30_000, 40_000];
    let spoofed = 0;
    for (const atMs of honest) {
      for (let n = 0; n < 20_000; n++) {
        assert.equal(limit.begin(v4(spoofed++), atMs + n / 10_000, 5), 'within');
      }
      assert.equal(limit.begin(SOURCE, atMs + 5, 5), 'within');
    }
    assert.equal(limit.capacity, 1024);
  });

  it('a flood that fills the table does not make it forget who is ignored', () => {
    const limit = new AttemptLimit(new LatestWords(), 1024);
    verdicts(limit, 60, Array<number>(61).fill(0));
    for (let n = 0; n < 100_000; n++) limit.begin(v4(n), n / 10, 60);
    assert.equal(limit.ignores(SOURCE, 59_999), true);
  });

  it(`${FLOOD} spoofed sources: memory is bounded, and given back`, function () {
    this.timeout(10_000 + FLOOD / 20);
    const before = process.memoryUsage().arrayBuffers;
    const limit = new AttemptLimit();
    let atMs = 0;
    // 100,000 a second, of which each sends one.
    for (let n = 0; n < FLOOD; n++) {
      atMs = n / 100;
      limit.begin(
        n % 2 === 0 ? v4(n) : `2001:db8:${(n >>> 16).toString(16)}:${(n & 65535).toString(16)}::`,
        atMs,
        60,
      );
    }
    assert.ok(limit.capacity <= 262_144);
    global.gc?.();
    const grownBytes = process.memoryUsage().arrayBuffers - before;
    assert.ok(grownBytes < 32 * 1024 * 1024, `${grownBytes} bytes`);
    assert.ok(limit.nextSweepMs <= atMs + 10_000);
    limit.sweep(limit.nextSweepMs + 10_000);
    assert.equal(limit.capacity, 1024);
    assert.equal(limit.nextSweepMs, Number.POSITIVE_INFINITY);
  });

  it('gives memory back while others go on, and forgets none of them', () => {
    const limit = new AttemptLimit();
    for (let n = 0; n < 100_000; n++) limit.begin(v4(n), n / 100, 60);
    const grown = limit.capacity;
    for (let n = 0; n < 700; n++) {
      for (let attempt = 0; attempt < 61; attempt++) limit.begin(v4(1e6 + n), 2000, 60);
    }
    limit.sweep(12_000);
    assert.ok(limit.capacity < grown && limit.capacity >= 1024, `${grown} to ${limit.capacity}`);
    assert.equal(limit.ignoredCount(12_000), 700);
    for (let n = 0; n < 700; n++) assert.ok(limit.ignores(v4(1e6 + n), 12_000));
  });
});
