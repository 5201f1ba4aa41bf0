import assert from 'node:assert/strict';
import { AttemptCounts } from '../../src/attempt-counts.js';
import { eventBody } from '../../src/journal/events.js';
import type { KnockEvent } from '../../src/knocks/types.js';
import type { Log } from '../../src/log/types.js';

const DOOR = {
  name: 'ssh',
  knocks: [{ port: 7000, protocol: 'tcp' }],
  seqTimeoutMs: 1000,
  tcpFlags: { required: 0, excluded: 0 },
} as const;

function bench() {
  const lines: { fields: object; message: string }[] = [];
  const warn = (fields: object, message: string) => void lines.push({ fields, message });
  const log: Log = { debug() {}, info() {}, warn, error() {} };
  const counts = new AttemptCounts(log);
  const count = (kind: KnockEvent['kind'], source = '198.51.100.1') =>
    counts.count({ kind, door: DOOR, source, stage: 0, atMs: 0 });
  return { counts, count, lines };
}

describe('what is counted once a minute', () => {
  it('has no event for a minute in which nothing happened', () => {
    const { counts, count } = bench();
    assert.equal(counts.take(), undefined);
    count('completed');
    assert.equal(counts.take(), undefined);
  });

  it('is per door what began, was spoiled, expired, and was limited', () => {
    const { counts, count } = bench();
    for (const kind of ['begun', 'begun', 'spoiled', 'expired'] as const) count(kind);
    const doors = { ssh: { begun: 2, spoiled: 1, expired: 1 } };
    assert.deepEqual(counts.take(), { type: 'Counted', doors });
    count('limited');
    const limited = { ssh: { begun: 0, spoiled: 0, expired: 0, limited: 1 } };
    assert.deepEqual(counts.take(), { type: 'Counted', doors: limited });
  });

  it('names ten ignored sources a minute and counts the others, in log and journal', () => {
    const { counts, count, lines } = bench();
    for (let minute = 0; minute < 3; minute += 1) {
      for (let n = 0; n < 5000; n += 1) count('ignored', `10.0.${n >> 8}.${n & 255}`);
      const event = counts.take();
      assert.ok(event?.type === 'Counted');
      assert.deepEqual(event.ignored?.sources.length, 10);
      assert.equal(event.ignored.more, 4990);
      assert.deepEqual(eventBody.parse(event), event);
      assert.equal(lines.length, 11 * (minute + 1));
      assert.deepEqual(lines.at(-1)?.fields, { sources: 4990 });
    }
    assert.doesNotMatch(JSON.stringify(lines), /7000/);
  });

  it('is read as a former version wrote it', () => {
    const former = { type: 'Counted', doors: { ssh: { begun: 1, spoiled: 2, expired: 3 } } };
    assert.deepEqual(eventBody.parse(former), former);
  });
});
