import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { claimOf } from '../../src/journal/claims.js';
import { seal } from '../../src/journal/seal.js';
import { recordingLog } from '../support/recording-log.js';
import { all, completed, JournalBench, key, range } from './support.js';

describe('a hostile Redis (T5)', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  /** The fields of an event that was never appended, as our own key would seal it. */
  function sealed(id: string, host = 'alpha', with_ = key): string[] {
    return [...seal(with_, { ...completed(9), id, host, atMs: 1 }).fields];
  }

  /** Puts one entry behind a good one; says what is read and how much was rejected. */
  async function readWith(fields: readonly string[], id = '99999999999999-0') {
    const journal = await bench.open();
    const good = await journal.append(completed(1));
    await bench.raw((redis) => redis.xadd(bench.streamKey, id, ...fields));
    const read = await all(journal.read());
    return { good, read, rejected: journal.rejected };
  }

  it('can add an event only with the key', async () => {
    const id = '99999999999999-0';
    assert.equal((await readWith(sealed(id), id)).read.length, 2);
    await bench.next();
    const wrong = createSecretKey(Buffer.alloc(32, 8));
    const { good, read, rejected } = await readWith(sealed(id, 'alpha', wrong), id);
    assert.deepEqual(read, [good]);
    assert.equal(rejected, 1);
  });

  it('cannot copy an event, or move it to another place', async () => {
    const { good, read, rejected } = await readWith(sealed('5-0'));
    assert.deepEqual(read, [good]);
    assert.equal(rejected, 1);
  });

  it('cannot change any field of an event', async () => {
    const id = '99999999999999-0';
    for (const index of range(10)) {
      const fields = sealed(id).map((field, at) => (at === index ? `${field}1` : field));
      const { good, read, rejected } = await readWith(fields, id);
      assert.deepEqual(read, [good], `field ${index}`);
      assert.equal(rejected, 1, `field ${index}`);
      await bench.next();
    }
  });

  it('cannot pass what is no event at all', async () => {
    const strange = [
      ['x', 'y'],
      [...sealed('99999999999999-0'), 'm', 'x'],
      sealed('99999999999999-0').slice(0, 8),
    ];
    for (const fields of strange) {
      const { good, read, rejected } = await readWith(fields);
      assert.deepEqual(read, [good]);
      assert.equal(rejected, 1);
      await bench.next();
    }
  });

  it('gives nothing that verifies under another key', async () => {
    const journal = await bench.open();
    await Promise.all(range(250).map((index) => journal.append(completed(index))));
    const log = recordingLog();
    const other = await bench.open({ key: createSecretKey(Buffer.alloc(32, 8)), log });
    assert.deepEqual(await all(other.read()), []);
    assert.equal(other.rejected, 250);
    assert.deepEqual(
      log.entries.map(({ fields }) => fields['rejected']),
      [1, 101, 201],
    );
  });

  it('counts an entry once however often it is read', async () => {
    const { rejected } = await readWith(['x', 'y']);
    assert.equal(rejected, 1);
    const journal = await bench.open();
    await all(journal.read());
    await all(journal.read());
    assert.equal(journal.rejected, 1);
  });

  it('is told from an event of a newer postern, which is skipped and said so', async () => {
    const log = recordingLog();
    const journal = await bench.open({ log });
    await bench.raw((redis) => redis.xadd(bench.streamKey, '5-0', 'v', '2', 'new', 'form'));
    assert.deepEqual(await all(journal.read()), []);
    assert.equal(journal.rejected, 1);
    assert.match(log.entries[0]!.message, /newer postern/);
  });

  it('cannot stop appends for good by an entry with a later id', async () => {
    const log = recordingLog();
    const journal = await bench.open({ log });
    await journal.append(completed(1));
    await bench.raw((redis) => redis.xadd(bench.streamKey, '99999999999999-7', 'x', 'y'));
    await assert.rejects(journal.append(completed(2)), { code: 'POSTERN_E_JOURNAL' });
    const event = await journal.append(completed(3));
    assert.equal(event.id, '99999999999999-8');
    assert.ok(log.entries.some(({ message }) => /somebody else writes/.test(message)));
  });

  it('finds no port of a sequence in any key', async () => {
    const journal = await bench.open({ clock: { now: () => 0, wall: () => 1000 } });
    const ports = [45678, 56789, 61234];
    const claim = claimOf(
      key,
      'ssh',
      ports.map((port) => ({ port, protocol: 'tcp' })),
    );
    const body = completed(1);
    assert.ok(body.type === 'Completed');
    await journal.claim(claim, { ...body, claim });
    const dump = await bench.raw(async (redis) => [
      await redis.xrange(bench.streamKey, '-', '+'),
      await redis.smembers(bench.claimsKey),
    ]);
    const text = JSON.stringify(dump);
    assert.ok(text.includes(claim) && text.includes('ssh'));
    for (const port of ports) assert.ok(!text.includes(String(port)), `port ${port}`);
  });
});
