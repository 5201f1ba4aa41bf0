import assert from 'node:assert/strict';
import { poll } from '../../support/poll.js';
import { FailoverBench } from './bench.js';

describe('a claim that a failover loses before anybody has read it', function () {
  this.timeout(60_000);
  let bench: FailoverBench;

  before(async () => {
    bench = await FailoverBench.start({ redisWait: 0, seed: 1 });
  });
  after(() => bench.stop());

  it('is told again by the host that made it', async () => {
    const { setup, knocks } = bench;
    const [one, other] = bench.hosts;
    assert.ok(one && other);
    const match = other.listening('mine');
    const primary = setup.server(await setup.primaryPort());
    await setup.ask(primary, async (redis) => {
      // Nobody can read, and everybody can write.
      await redis.call('ACL', 'SETUSER', 'default', '-xread');
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await bench.recovered(one, performance.now());
      const won = await knocks.knock(one, 'mine');
      assert.equal(won?.answer, 'opening');
      assert.equal(await redis.hlen('postern:edge:claims'), 1);
      await redis.del('postern:edge:claims', 'postern:edge:journal');
      await redis.call('ACL', 'SETUSER', 'default', '+xread');
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const isTold = async () => (await redis.hlen('postern:edge:claims')) === 1;
      await poll(isTold, 'the claim is told again');
    });
    await bench.joined();
    const replayed = await knocks.knock(other, 'mine', match);
    assert.ok(replayed === undefined || replayed.answer !== 'opening', JSON.stringify(replayed));
    const ran = bench.hosts.flatMap((host) => host.executions);
    assert.equal(ran.filter(({ door }) => door === 'mine').length, 1);
  });
});
