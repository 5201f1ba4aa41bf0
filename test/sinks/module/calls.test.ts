import assert from 'node:assert/strict';
import { setImmediate as immediate } from 'node:timers/promises';
import { poll } from '../../support/poll.js';
import { GRANT, never, Workshop } from './workshop.js';

/** What the module under test has of the world: `act(NAME, signal)` is what the test says. */
declare global {
  var act: (what: string, signal: AbortSignal) => unknown;
}

const ALL = `export default {
  open: (grant, signal) => act('open ' + grant.id, signal),
  close: (grant, signal) => act('close ' + grant.id, signal),
  failed: (grant, reason, signal) => act('failed ' + reason, signal),
};`;

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('I stop')));
  });

describe('a call of a module', () => {
  let shop: Workshop;
  before(() => {
    shop = new Workshop();
  });
  beforeEach(() => {
    shop.fresh();
    globalThis.act = (what) => calls.push(what);
  });
  after(() => shop.dispose());

  const words = () => calls.map((call) => call.split(' ')[0]);

  it('is given a copy of the grant that it cannot change', async () => {
    const text = `export default { open(grant) {
      calls.push(JSON.stringify(grant)); grant.source = '203.0.113.1'; } };`;
    const sink = await shop.sink(text, { timeout: '0.4' });
    await assert.rejects(sink.open(GRANT, never()), /Cannot assign to read only property/);
    assert.deepEqual(JSON.parse(calls[0] ?? ''), GRANT);
  });

  it('that fails to open is made three times, half a second and a second apart', async () => {
    const at: number[] = [];
    globalThis.act = () => {
      at.push(performance.now());
      throw new Error('gate\nis away');
    };
    const sink = await shop.sink(ALL);
    await assert.rejects(sink.open(GRANT, never()), (error: unknown) => {
      assert.ok(error instanceof Error);
      return error.message === 'gate is away';
    });
    const [first = 0, second = 0, third = 0] = at;
    assert.equal(at.length, 3);
    assert.ok(second - first >= 499 && second - first < 900, `${second - first}`);
    assert.ok(third - second >= 999 && third - second < 1400, `${third - second}`);
    const again = shop.log.entries.map(({ fields, message }) => [message, fields['attempt']]);
    const asked = 'the module failed to open, and is asked again';
    assert.deepEqual(again, [
      [asked, 1],
      [asked, 2],
    ]);
  });

  it('that opens at the second try has opened', async () => {
    let left = 1;
    globalThis.act = (what) => {
      calls.push(what);
      if (left-- > 0) throw new Error('not yet');
    };
    await (await shop.sink(ALL)).open(GRANT, never());
    assert.equal(calls.length, 2);
  });

  it('is not made again when there is no time left, nor when nobody wants it any more', async () => {
    globalThis.act = (what) => {
      calls.push(what);
      throw new Error('no');
    };
    await assert.rejects(
      (await shop.sink(ALL, { timeout: '0.3' })).open(GRANT, never()),
      /^Error: no$/,
    );
    assert.equal(calls.length, 1);
    const breaking = new AbortController();
    const opening = (await shop.sink(ALL)).open(GRANT, breaking.signal);
    await poll(() => calls.length === 2, 'the first try');
    breaking.abort(new Error('postern ends'));
    await assert.rejects(opening, /postern ends/);
    assert.equal(calls.length, 2);
  });

  it('that fails to close or to hear of a failure is not made again: others do that', async () => {
    globalThis.act = (what) => {
      calls.push(what);
      throw new Error('no');
    };
    const sink = await shop.sink(ALL);
    await assert.rejects(async () => sink.close?.(GRANT, never()), /^Error: no$/);
    await assert.rejects(async () => sink.failed?.(GRANT, 'why', never()), /^Error: no$/);
    assert.deepEqual(calls, [`close ${GRANT.id}`, 'failed why']);
  });

  it('fails with an Error of one bounded line, whatever is thrown', async () => {
    const sink = await shop.sink(ALL);
    const thrown: [unknown, RegExp][] = [
      ['text', /^threw text, which is no Error$/],
      [undefined, /^threw undefined, which is no Error$/],
      [Symbol('s'), /^threw Symbol\(s\), which is no Error$/],
      [Object.create(null), /^threw something that cannot be shown$/],
      [new Error('\u001b[2J\u202e'), /^\\u001b\[2J\\u202e$/],
      [new TypeError(''), /^TypeError without a message$/],
      [new Error(`\u001b[31m\u202e${'😀'.repeat(10_000)}`), /^\\u001b\[31m\\u202e😀{100,}…$/u],
    ];
    const trap = new Error();
    Object.defineProperty(trap, 'message', { get: () => assert.fail('trap') });
    thrown.push([trap, /^threw something that cannot be shown$/]);
    for (const [value, shown] of thrown) {
      globalThis.act = () => Promise.reject(value);
      await assert.rejects(
        async () => sink.close?.(GRANT, never()),
        (error: unknown) => {
          assert.ok(error instanceof Error);
          assert.match(error.message, shown);
          return error.message.length < 1100;
        },
      );
    }
  });

  it('is told to stop when its time is over, and that is why it failed', async () => {
    globalThis.act = (_, signal) => untilAborted(signal);
    const sink = await shop.sink(ALL, { timeout: '0.2' });
    await assert.rejects(sink.open(GRANT, never()), /^Error: open took longer than 0.2 s$/);
    await assert.rejects(async () => sink.close?.(GRANT, never()), /close took longer than 0.2 s$/);
    assert.deepEqual(shop.messages(), []);
  });

  it('that does not stop when told to is left to itself half a second later', async () => {
    globalThis.act = () => new Promise(() => {});
    const sink = await shop.sink(ALL, { timeout: '0.2' });
    const began = performance.now();
    const why = /close took longer than 0.2 s, and it does not stop when told to$/;
    await assert.rejects(async () => sink.close?.(GRANT, never()), why);
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= 690 && tookMs < 1200, `${tookMs}`);
    assert.match(
      shop.messages().join(),
      /does not stop when told to: nobody waits for it any more/,
    );
  });

  it('ends early when postern gives it up', async () => {
    const breaking = new AbortController();
    globalThis.act = (what, signal) => {
      calls.push(what);
      return untilAborted(signal);
    };
    const opening = (await shop.sink(ALL)).open(GRANT, breaking.signal);
    await poll(() => calls.length === 1, 'it opens');
    breaking.abort(new Error('postern close'));
    await assert.rejects(opening, /^Error: postern close$/);
  });

  it('never meets another one about the same grant; other grants do not wait', async () => {
    const sink = await shop.sink(ALL);
    const ends: (() => void)[] = [];
    globalThis.act = (what) => {
      calls.push(what);
      return new Promise<void>((resolve) => ends.push(resolve));
    };
    const all = [
      sink.failed?.(GRANT, 'a', never()),
      sink.failed?.(GRANT, 'b', never()),
      sink.open({ ...GRANT, id: 'other' }, never()),
    ];
    await poll(() => calls.length === 2, 'two calls');
    assert.deepEqual(calls, ['failed a', 'open other']);
    ends[0]?.();
    await poll(() => calls.length === 3, 'the third');
    for (const end of ends) end();
    await Promise.all(all);
    assert.deepEqual(words(), ['failed', 'open', 'failed']);
  });

  it('to close does not wait for what else goes on about the grant: that is broken off', async () => {
    const sink = await shop.sink(ALL);
    globalThis.act = (what, signal) => {
      calls.push(what);
      return what.startsWith('failed') ? untilAborted(signal) : undefined;
    };
    const failed = assert.rejects(async () => sink.failed?.(GRANT, 'x', never()), /being closed/);
    const waiting = assert.rejects(async () => sink.failed?.(GRANT, 'y', never()), /being closed/);
    await poll(() => calls.length === 1, 'the first');
    await sink.close?.(GRANT, never());
    await Promise.all([failed, waiting]);
    assert.deepEqual(words(), ['failed', 'close']);
    await assert.rejects(async () => sink.failed?.(GRANT, 'z', AbortSignal.timeout(50)));
  });

  it('to open that ends after the grant was closed is closed again, whether it opened or not', async () => {
    for (const end of ['opens', 'fails']) {
      calls.length = 0;
      let settle = (): void => {};
      globalThis.act = (what) => {
        calls.push(what);
        if (!what.startsWith('open')) return undefined;
        return new Promise<void>((resolve, reject) => {
          settle = end === 'opens' ? resolve : () => reject(new Error('late'));
        });
      };
      const sink = await shop.sink(ALL, { timeout: '0.1' });
      await assert.rejects(sink.open(GRANT, never()), /does not stop/);
      await sink.close?.(GRANT, never());
      assert.deepEqual(words(), ['open', 'close']);
      settle();
      await poll(() => calls.length === 3, 'closed again');
      assert.deepEqual(words(), ['open', 'close', 'close']);
    }
  });

  it('to open that ends late, but before the grant is closed, is not closed for that', async () => {
    let settle = (): void => {};
    globalThis.act = (what) => {
      calls.push(what);
      return new Promise<void>((resolve) => {
        settle = resolve;
      });
    };
    const sink = await shop.sink(ALL, { timeout: '0.1' });
    await assert.rejects(sink.open(GRANT, never()), /does not stop/);
    settle();
    await immediate();
    globalThis.act = (what) => calls.push(what);
    await sink.close?.(GRANT, never());
    await sink.open({ ...GRANT, id: 'another' }, never());
    assert.deepEqual(words(), ['open', 'close', 'open']);
  });

  it('says so loudly when closing again fails', async () => {
    let settle = (): void => {};
    globalThis.act = (what) => {
      calls.push(what);
      if (calls.length === 3) throw new Error('gate is away');
      if (!what.startsWith('open')) return undefined;
      return new Promise<void>((resolve) => {
        settle = resolve;
      });
    };
    const sink = await shop.sink(ALL, { timeout: '0.1' });
    await assert.rejects(sink.open(GRANT, never()));
    await sink.close?.(GRANT, never());
    settle();
    const said = await poll(() => shop.log.entries.find(({ level }) => level === 'error'), 'said');
    assert.equal(said.message, 'THE DOOR MAY STILL BE OPEN: closing again failed');
    assert.equal(said.fields['reason'], 'gate is away');
  });
});
