import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.js';
import { poll } from '../../support/poll.js';
import { FailoverBench } from './bench.js';
import { frozen } from './blows.js';
import type { DoorName } from './doors.js';
import type { Knock } from './knocks.js';

const SHARED: readonly DoorName[] = ['all', 'once', 'mine', 'single'];

describe('a shared Redis whose replicas are all frozen (redis_wait = 1, T12)', function () {
  this.timeout(60_000);
  let bench: FailoverBench;

  before(async () => {
    bench = await FailoverBench.start({ redisWait: 1, seed: 1 });
  });
  after(() => bench.stop());
  beforeEach(() => bench.next());

  function ranFor(...knocks: readonly (Knock | undefined)[]): string[] {
    const sources = knocks.map((knock) => knock?.source);
    const all = bench.hosts.flatMap((host) => host.executions);
    return all.filter(({ source }) => sources.includes(source)).map(({ host }) => host);
  }

  it('refuses every shared door within a second and says why, and no other', async () => {
    const knocks = await frozen(bench.setup, () =>
      Promise.all(
        bench.hosts.flatMap((host) => {
          return ['here' as const, ...SHARED].map((door) => bench.knocks.knock(host, door));
        }),
      ),
    );
    for (const knock of knocks) {
      assert.ok(knock);
      const { door, host, answer, refusedAfterMs = Number.NaN } = knock;
      if (door === 'here') {
        assert.deepEqual([answer, ranFor(knock)], ['opening', [host]]);
      } else if (answer === 'spent') {
        // Another host was quicker, and was refused.
        assert.ok(door === 'mine' || door === 'single');
      } else {
        assert.equal(answer, 'refused', JSON.stringify(knock));
        assert.ok(refusedAfterMs < 1000, JSON.stringify(knock));
        const reason = bench.said.get(host)?.refusal(knock.source);
        assert.match(String(reason), /confirmed by 0 of the 1 replicas that redis_wait asks for/);
      }
      if (door !== 'here') assert.deepEqual(ranFor(knock), []);
    }
  });

  it('opens them again when one replica is back', async () => {
    await bench.joined();
    for (const door of SHARED) {
      const [host] = bench.hosts;
      assert.ok(host);
      const isOpening = async () => {
        const answer = (await bench.knocks.knock(host, door))?.answer;
        return answer === 'opening' || answer === 'queued';
      };
      await poll(isOpening, `${door} opens`);
    }
  });

  it('opens nothing for a claim that was refused, whatever is read again of it', async () => {
    const [host] = bench.hosts;
    assert.ok(host);
    const refused = await frozen(bench.setup, async () => {
      const knock = await bench.knocks.knock(host, 'mine');
      // What was read last is gone: followers go on from the oldest entry that there is.
      await bench.setup.ask(bench.setup.server(await bench.setup.primaryPort()), async (redis) => {
        const [last] = await redis.xrevrange('postern:edge:journal', '+', '-', 'COUNT', 1);
        assert.ok(last);
        await redis.xdel('postern:edge:journal', last[0]);
      });
      // A follower waits for the next entry for a second.
      await sleep(3000);
      return knock;
    });
    assert.equal(refused?.answer, 'refused');
    assert.deepEqual(ranFor(refused), []);
  });

  it('lets nobody act on what it cannot be certain to have alone', async () => {
    await bench.joined();
    const [one, other] = [bench.shared('c1'), bench.shared('c2')];
    await poll(() => one.isReady && other.isReady, 'both are ready');
    const order = ['an', 'order'];
    await frozen(bench.setup, async () => {
      const within = () => systemClock.now() + 900;
      await assert.rejects(one.publish(order, false, within()), /confirmed by 0 of the 1/);
      await assert.rejects(one.take('grant'), /confirmed by 0 of the 1/);
      // A revocation, and that another has it, need no confirmation.
      await one.publish(order, false);
      assert.equal(await other.take('grant'), false);
    });
    await poll(() => one.take('grant').catch(() => false), 'it has it, for certain now');
    assert.equal(await other.take('grant'), false);
  });

  it('has one host act on what none was certain to have while it was frozen', async () => {
    await bench.joined();
    const ran = () => bench.hosts.flatMap((host) => host.executions.filter(isTheOne));
    const isTheOne = ({ source }: { readonly source: string }) => source === '192.0.2.7';
    await frozen(bench.setup, async () => {
      await bench.queue('192.0.2.7');
      const primary = bench.setup.server(await bench.setup.primaryPort());
      await bench.setup.ask(primary, async (redis) => {
        // Whoever had it first could not be certain, and after some seconds another gets it.
        const isAskedAgain = async () => {
          const [pending] = await redis.xpending('postern:edge:once', 'hosts', '-', '+', 1);
          return Array.isArray(pending) ? Number(pending[3]) > 1 : pending === undefined;
        };
        await poll(isAskedAgain, 'another host has it', 10_000);
      });
      assert.deepEqual(ran(), []);
    });
    await poll(() => ran().length > 0, 'somebody acts on it', 15_000);
    await sleep(1000);
    assert.equal(ran().length, 1);
  });
});
