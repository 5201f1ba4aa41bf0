import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { DeliveryHost, TellingSink } from './host.js';

const LONG_MS = 3_600_000;

describe('what failed at a sink that is loaded anew', () => {
  let host: DeliveryHost;
  before(async () => {
    host = await DeliveryHost.start();
  });
  afterEach(() => host.reset());
  after(() => host.end());

  const refusing = (reason: string, collectMs?: number) => {
    const ops = new TellingSink('webhook:ops', ['open'], collectMs);
    ops.delaysMs = [LONG_MS];
    ops.answer = () => {
      throw new Error(reason);
    };
    return ops;
  };

  for (const collectMs of [undefined, 50])
    it(`is told at once, whenever it was to be told (collect: ${collectMs})`, async () => {
      const door = host.door('d', [refusing('wrong password', collectMs).sink]);
      const running = await host.run();
      const grant = await host.knock(running, door);
      await host.eventsOf(running, 'DeliveryFailed');
      const mended = new TellingSink('webhook:ops', ['open'], collectMs);
      host.door('d', [mended.sink]);
      const [delivered] = await host.eventsOf(running, 'Delivered');
      assert.deepEqual([delivered?.grant, delivered?.attempt], [grant, 2]);
      await host.settled(running);
    });

  it('is tried once when it is not mended, and that does not count', async () => {
    const door = host.door('d', [refusing('wrong password').sink]);
    const running = await host.run();
    await host.knock(running, door);
    await host.eventsOf(running, 'DeliveryFailed');
    const still = refusing('wrong again');
    host.door('d', [still.sink]);
    const { reason, nextSeconds } = await poll(() => {
      const [owed] = running.deliveries.status();
      return owed?.reason === 'wrong again' && owed;
    }, 'it is tried');
    assert.equal(reason, 'wrong again');
    assert.ok(nextSeconds > 3500, `next in ${nextSeconds} s, as before`);
    const ticks = performance.now() + 2200;
    await poll(() => performance.now() > ticks, 'two ticks more');
    assert.equal(still.told.length, 1);
    assert.equal((await host.eventsOf(running, 'DeliveryFailed')).length, 1);
  });
});
