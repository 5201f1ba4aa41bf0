import assert from 'node:assert/strict';
import { systemClock } from '../../src/clock.js';
import { all, completed, JournalBench, range } from './support.js';

const HOUR_MS = 3_600_000;

describe('the journal and the cluster', () => {
  const bench = new JournalBench();
  before(() => bench.start());
  afterEach(() => bench.next());
  after(() => bench.stop());

  const later = () => Date.now() + HOUR_MS;
  const raw = (...command: [string, ...string[]]) => bench.raw((redis) => redis.call(...command));

  describe('accepts a grant', () => {
    it('once, of 100 concurrent asks, and appends that event alone', async () => {
      const [one, other] = [await bench.open(), await bench.open({ host: 'beta' })];
      const outcomes = await Promise.allSettled(
        range(100).map((n) => (n % 2 ? one : other).accept('g', later(), completed(n))),
      );
      const won = outcomes.flatMap((each) =>
        each.status === 'fulfilled' && each.value ? [each.value] : [],
      );
      assert.equal(won.length, 1);
      assert.deepEqual(await all(one.read()), won);
    });

    it('never again after a restart, or when its event was cut off', async () => {
      const journal = await bench.open({ length: 0 });
      assert.ok(await journal.accept('g', later(), completed(1)));
      await journal.trim(undefined);
      assert.equal(await journal.accept('g', later(), completed(2)), undefined);
      await journal.close();
      const reopened = await bench.open();
      assert.equal(await reopened.accept('g', later(), completed(3)), undefined);
      assert.deepEqual(await all(reopened.read()), []);
      assert.ok(await reopened.accept('another', later(), completed(4)));
    });

    it('and knows it until a day after its time is over, not much longer', async () => {
      let aheadMs = 0;
      const clock = { ...systemClock, wall: () => Date.now() + aheadMs };
      const journal = await bench.open({ clock });
      const untilMs = Date.now() + HOUR_MS;
      await journal.accept('g', untilMs, completed(1));
      aheadMs = 25 * HOUR_MS - 10_000;
      await journal.accept('other', later() + aheadMs, completed(2));
      assert.equal(await journal.accept('g', untilMs, completed(3)), undefined);
      aheadMs = 25 * HOUR_MS + 10_000;
      await journal.accept('third', later() + aheadMs, completed(4));
      const known = `${bench.streamKey.replace('journal', 'accepted')}`;
      assert.deepEqual(await raw('ZRANGE', known, '0', '-1'), ['other', 'third']);
    });

    it('and uses up its claim, which may have been made before', async () => {
      const journal = await bench.open();
      await journal.claim('made before', completed(1));
      assert.ok(await journal.accept('g', later(), completed(2), 'made before'));
      assert.ok(await journal.accept('h', later(), completed(3), 'new'));
      assert.ok(await journal.accept('i', later(), completed(4)));
      assert.deepEqual(await journal.claimed(['made before', 'new', '']), [true, true, false]);
      assert.equal(await journal.claim('new', completed(5)), undefined);
    });

    it('not at all when the event cannot be appended', async () => {
      const journal = await bench.open();
      const refusal = { code: 'POSTERN_E_JOURNAL', message: /Completed was not appended/ };
      await raw('CONFIG', 'SET', 'maxmemory', '1');
      try {
        await assert.rejects(journal.accept('g', later(), completed(1), 'c'), refusal);
      } finally {
        await raw('CONFIG', 'SET', 'maxmemory', '0');
      }
      await raw('SET', bench.streamKey, 'no stream');
      await assert.rejects(journal.accept('g', later(), completed(1), 'c'), refusal);
      await raw('DEL', bench.streamKey);
      await raw('SET', bench.claimsKey, 'no set');
      await assert.rejects(journal.accept('g', later(), completed(1), 'c'), refusal);
      await raw('DEL', bench.claimsKey);
      assert.deepEqual(await all(journal.read()), []);
      assert.deepEqual(await journal.claimed(['c']), [false]);
      assert.ok(await journal.accept('g', later(), completed(1), 'c'));
    });

    it('again when somebody else wrote larger ids meanwhile', async () => {
      const journal = await bench.open();
      const ahead = `${Date.now() + HOUR_MS}-0`;
      await raw('XADD', bench.streamKey, ahead, 'x', 'y');
      await assert.rejects(journal.accept('g', later(), completed(1)), {
        code: 'POSTERN_E_JOURNAL',
      });
      assert.ok(await journal.accept('g', later(), completed(1)));
    });

    it('or refuses within 1.2 s while redis-server is frozen; then it is known or not, never twice', async () => {
      const journal = await bench.open();
      const pid = bench.server.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      const begun = performance.now();
      try {
        await assert.rejects(journal.accept('g', later(), completed(1)), {
          code: 'POSTERN_E_JOURNAL',
          message: /unknown whether it was written/,
        });
        assert.ok(performance.now() - begun < 1200);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      await journal.accept('g', later(), completed(1));
      assert.equal((await all(journal.read())).length, 1);
    });

    it('once each though redis-server is killed in between', async () => {
      const journal = await bench.open();
      const accepting = range(200).map(async (n) => {
        if (n === 50) process.kill(bench.server.pid ?? 0, 'SIGKILL');
        return journal.accept(`g${n % 100}`, later(), completed(n));
      });
      const events = await Promise.all(accepting);
      assert.equal(events.slice(0, 100).filter(Boolean).length, 100);
      assert.equal(events.slice(100).filter(Boolean).length, 0);
      assert.equal((await all(journal.read())).length, 100);
    });
  });

  describe('keeps claims of the cluster', () => {
    const claims = range(1700).map((n) => ({ claim: `claim ${n}`, grant: `grant ${n}` }));

    it('all of them, for ever, each for the grant that was told first', async () => {
      const journal = await bench.open({ length: 0 });
      await journal.remember(claims);
      await journal.remember([{ claim: 'claim 7', grant: 'another' }]);
      await journal.remember([]);
      await journal.trim(undefined);
      await journal.close();
      const reopened = await bench.open();
      const found = new Map<string, string>();
      for await (const { claim, grant } of reopened.rememberedClaims()) found.set(claim, grant);
      assert.equal(found.size, claims.length);
      for (const { claim, grant } of claims) assert.equal(found.get(claim), grant);
    });

    it('and tells which it knows, apart from its own', async () => {
      const journal = await bench.open();
      await journal.claim('own', completed(1));
      await journal.remember([{ claim: 'a', grant: 'g' }]);
      assert.deepEqual(await journal.knows(['a', 'own', 'b', 'a']), [true, false, false, true]);
      assert.deepEqual(await journal.claimed(['a', 'own']), [false, true]);
      assert.deepEqual(await journal.knows([]), []);
    });

    it('or says that it could not', async () => {
      const journal = await bench.open();
      await raw('SET', bench.streamKey.replace('journal', 'cluster-claims'), 'no hash');
      const refusal = { code: 'POSTERN_E_JOURNAL' };
      await assert.rejects(journal.remember(claims), refusal);
      await assert.rejects(journal.knows(['a']), refusal);
      await assert.rejects(async () => {
        for await (const _ of journal.rememberedClaims());
      }, refusal);
      await journal.close();
      await assert.rejects(journal.remember(claims), refusal);
      await assert.rejects(journal.knows(['a']), refusal);
    });
  });
});
