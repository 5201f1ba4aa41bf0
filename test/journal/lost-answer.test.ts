import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BadWire } from '../support/bad-wire.js';
import { all, completed, JournalBench, range } from './support.js';

describe('the journal on a wire that breaks', () => {
  const bench = new JournalBench();
  let wire: BadWire;
  let socket: string;

  before(() => bench.start());
  beforeEach(async () => {
    wire = new BadWire(bench.server.socket);
    socket = join(bench.server.socket, '..', 'wire.sock');
    await wire.listen(socket);
  });
  afterEach(async () => {
    await bench.next();
    await wire.close();
    await rm(socket, { force: true });
  });
  after(() => bench.stop());

  for (const way of ['request', 'answer'] as const) {
    it(`writes each event once and in order (${way} lost)`, async () => {
      const journal = await bench.open({ target: { socket } });
      wire.loseNext(way);
      const events = await Promise.all(range(20).map((index) => journal.append(completed(index))));
      assert.equal(wire.breaks, 1);
      assert.deepEqual(await all(journal.read()), events);
    });

    it(`tells the winner of a claim that it won, and nobody else (${way} lost)`, async () => {
      const journal = await bench.open({ target: { socket } });
      wire.loseNext(way);
      const outcomes = await Promise.all(
        range(20).map((index) => journal.claim('c', completed(index))),
      );
      assert.equal(wire.breaks, 1);
      assert.ok(outcomes[0]);
      assert.deepEqual(outcomes.slice(1).filter(Boolean), []);
      assert.deepEqual(await all(journal.read()), [outcomes[0]]);
    });

    it(`tells whoever is first that its grant is accepted, and nobody else (${way} lost)`, async () => {
      const journal = await bench.open({ target: { socket } });
      wire.loseNext(way);
      const untilMs = Date.now() + 60_000;
      const outcomes = await Promise.all(
        range(20).map((index) => journal.accept('g', untilMs, completed(index), 'c')),
      );
      assert.equal(wire.breaks, 1);
      assert.ok(outcomes[0]);
      assert.deepEqual(outcomes.slice(1).filter(Boolean), []);
      assert.deepEqual(await all(journal.read()), [outcomes[0]]);
      assert.deepEqual(await journal.claimed(['c']), [true]);
    });

    it(`says that a grant was accepted before (${way} lost)`, async () => {
      const other = await bench.open();
      await other.accept('g', Date.now() + 60_000, completed(1));
      const journal = await bench.open({ target: { socket } });
      wire.loseNext(way);
      assert.equal(await journal.accept('g', Date.now() + 60_000, completed(2)), undefined);
      assert.equal(wire.breaks, 1);
    });

    it(`says that a claim was made before (${way} lost)`, async () => {
      const other = await bench.open();
      await other.claim('c', completed(1));
      const journal = await bench.open({ target: { socket } });
      wire.loseNext(way);
      assert.equal(await journal.claim('c', completed(2)), undefined);
      assert.equal(wire.breaks, 1);
    });
  }

  it('takes no strange event under its id for its own', async () => {
    const clock = { now: () => 0, wall: () => 1000 };
    const journal = await bench.open({ target: { socket }, clock });
    wire.loseNext('request');
    const appending = journal.append(completed(1));
    await bench.raw((redis) => redis.xadd(bench.streamKey, '1000-0', 'x', 'y'));
    await assert.rejects(appending, { code: 'POSTERN_E_JOURNAL' });
  });
});
