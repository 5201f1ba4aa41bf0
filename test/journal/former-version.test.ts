import assert from 'node:assert/strict';
import { createGrantFold } from '../../src/jobs/fold.js';
import { all, JournalBench } from './support.js';

/** What version 0.1.0 wrote, before hosts had clusters: id, event, mac. */
const FORMER = [
  [
    '1700000000001-0',
    '{"type":"Completed","door":"ssh","source":"192.0.2.1","configuration":"digest","claim":"c"}',
    'jaDPIrCk2XpJuzynClVBAW6N1MPVM1c5IFgAsf7KMxA',
  ],
  [
    '1700000000002-0',
    '{"type":"Opening","grant":"alpha-1700000000001-0","door":"ssh","source":"192.0.2.1","configuration":"digest","until":1700000070001}',
    '_tZMOSpYE1Fo_U333q1o4JEbJkfBDVmtj9ODg-vwM7Y',
  ],
  [
    '1700000000003-0',
    '{"type":"Opened","grant":"alpha-1700000000001-0","sink":"exec","until":1700000010002}',
    'pyFMfQ4mRRSBMb1w-xlZf91KaLmR4gAtGbETsIpsSMY',
  ],
  [
    '1700000000004-0',
    '{"type":"Extended","grant":"alpha-1700000000001-0","source":"192.0.2.1","until":1700000015000}',
    'bw0jpfwN8QFf3K10M-oCdlwr4oeYlRPg0lp-jDbAlnM',
  ],
  [
    '1700000000005-0',
    '{"type":"Completed","door":"ssh","source":"192.0.2.2","configuration":"digest"}',
    'iX6kPdLdjWbD7HeLm99Br0-H62TjQYEAMDortTesSAY',
  ],
] as const;

describe('a journal that a former version wrote', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  it('is read, and its grants are folded under their own names', async () => {
    await bench.raw(async (redis) => {
      for (const [id, event, mac] of FORMER) {
        const time = id.slice(0, -2);
        const fields = ['v', '1', 'h', 'alpha', 't', time, 'e', event, 'm', mac];
        await redis.xadd(bench.streamKey, id, ...fields);
      }
    });
    const journal = await bench.open();
    const fold = createGrantFold();
    for (const event of await all(journal.read())) fold.apply(event);
    assert.equal(journal.rejected, 0);
    assert.deepEqual(
      [...fold.live.values()].map(({ phase, context }) => [context.id, phase]),
      [
        ['alpha-1700000000001-0', 'open'],
        ['alpha-1700000000005-0', 'completed'],
      ],
    );
    const [open] = fold.live.values();
    const { eventId, knockedAtMs, from, openForMs, sinks } = open?.context ?? {};
    assert.equal(eventId, '1700000000001-0');
    assert.equal(knockedAtMs, 1_700_000_000_001);
    assert.deepEqual([from, openForMs], [undefined, undefined]);
    assert.equal(sinks?.['exec']?.untilMs, 1_700_000_015_000);
  });
});
