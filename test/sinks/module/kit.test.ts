import assert, { AssertionError } from 'node:assert/strict';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SinkGrant } from '../../../sinks/types.js';
import { examineSink, type TestSinkOptions, testSink } from '../../../src/testing.js';

/** What a good sink has open: sources by grant. */
let open: Map<string, string>;
let isBroken: boolean;

const state = () => [...open].sort();
const breakIt = () => {
  isBroken = true;
  return () => {
    isBroken = false;
  };
};
const reach = () => {
  if (isBroken) throw new Error('the gate is away');
};
const good = {
  async open({ id, source }: SinkGrant) {
    reach();
    open.set(id, source);
  },
  async close({ id }: SinkGrant) {
    reach();
    open.delete(id);
  },
};
const ALL: TestSinkOptions = { state, breakIt, timeoutMs: 300 };

describe('the test kit of sinks', () => {
  beforeEach(() => {
    open = new Map();
    isBroken = false;
  });

  const findingsOf = async (sink: unknown, options: TestSinkOptions = ALL) =>
    (await examineSink(sink, options)).findings;

  /** That it finds just this in what is good but for that. */
  async function finds(bad: object, ...expected: RegExp[]): Promise<void> {
    const findings = await findingsOf({ ...good, ...bad });
    assert.equal(findings.length, expected.length, findings.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(findings[index] ?? '', pattern);
  }

  it('finds nothing in a good sink, whether it is an object, a function or an instance', async () => {
    class Gate {
      readonly #gate = good;
      open = (grant: SinkGrant) => this.#gate.open(grant);
      close(grant: SinkGrant) {
        return this.#gate.close(grant);
      }
      failed() {}
    }
    for (const sink of [good, async () => good, new Gate(), () => new Gate()]) {
      const report = await testSink(sink, ALL);
      assert.deepEqual([report.ok, report.findings, open.size], [true, [], 0]);
    }
    const { checks, skipped } = await testSink(() => new Gate(), ALL);
    assert.deepEqual([checks.length, skipped], [7, []]);
  });

  it('says what it could not try', async () => {
    const { checks, skipped } = await testSink({ open() {} });
    assert.deepEqual(checks, ['opening twice is as opening once', 'it stops when told to']);
    assert.deepEqual(skipped, [
      'closing twice, or what was never opened: it has no close',
      'one grant leaves another alone: it has no close',
      'what is open is closed after a restart: it has no close',
      'it says so when it fails: there is no breakIt()',
      'failures are heard of: it has no failed',
    ]);
  });

  it('throws all that it finds', async () => {
    const sink = { open: () => Promise.reject('no'), close: 5 };
    await assert.rejects(testSink(sink), (error: unknown) => {
      assert.ok(error instanceof AssertionError);
      assert.match(
        error.message,
        /contract:\n- the default export is no sink: close is no function/,
      );
      return true;
    });
    await assert.rejects(testSink({ open: () => Promise.reject('no') }), (error: unknown) => {
      assert.ok(error instanceof AssertionError && Array.isArray(error.actual));
      assert.ok(error.actual.length > 1);
      return error.actual.every((finding) => error.message.includes(`\n- ${finding}`));
    });
  });

  it('finds what is no sink', async () => {
    for (const [exported, pattern] of [
      [undefined, /the default export is undefined, not a sink/],
      [{}, /the default export is no sink: open is missing/],
      [() => ({}), /what the default export gives is no sink: open is missing/],
      [() => assert.fail('no folder'), /^no folder$/],
      [() => new Promise(() => {}), /gives no sink within 300 ms/],
    ] as const) {
      const [finding = '', ...more] = await findingsOf(exported);
      assert.match(finding, pattern);
      assert.deepEqual(more, []);
    }
  });

  it('gives the options to the function', async () => {
    const given: unknown[] = [];
    const options = { folder: '/run/gate' };
    await testSink(
      (...all: unknown[]) => {
        given.push(...all);
        return good;
      },
      { options },
    );
    assert.deepEqual(given[0], options);
  });

  it('finds a second open that fails, or opens twice', async () => {
    const once = async (grant: SinkGrant) => {
      if (open.has(grant.id)) throw new Error('it is open');
      await good.open(grant);
    };
    await finds(
      { open: once },
      /open fails the second time for one grant: it is open/,
      /open fails after it was told to stop: it is open/,
    );
    let count = 0;
    const twice = async (grant: SinkGrant) => {
      reach();
      open.set(`${grant.id} ${count++}`, grant.source);
    };
    const close = async ({ id }: SinkGrant) => {
      reach();
      for (const key of open.keys()) if (key.startsWith(id)) open.delete(key);
    };
    await finds({ open: twice, close }, /opening the same grant twice is not as opening it once/);
  });

  it('finds a close that fails, does nothing, or knows only what it opened', async () => {
    const strict = async (grant: SinkGrant) => {
      if (!open.has(grant.id)) throw new Error('it is not open');
      await good.close(grant);
    };
    const findings = await findingsOf({ ...good, close: strict });
    assert.ok(findings.includes('close fails the second time for one grant: it is not open'));
    assert.ok(findings.includes('close fails for a grant that was never opened: it is not open'));
    const [first = ''] = await findingsOf({ ...good, close: async () => {} });
    assert.match(first, /^close does not take back what open gave$/);
  });

  it('finds a close that closes the grants of others', async () => {
    const bySource = {
      open: async ({ source }: SinkGrant) => {
        reach();
        open.set(source, '');
      },
      close: async ({ source }: SinkGrant) => {
        reach();
        open.delete(source);
      },
    };
    await finds(bySource, /closing a grant also closes.* the same source at another door$/);
    const all = async () => {
      reach();
      open.clear();
    };
    const others = /closing a grant also closes, or changes, that of /;
    await finds({ close: all }, others, others);
  });

  it('finds a sink that cannot close after a restart', async () => {
    const forgets = () => {
      const mine = new Set<string>();
      return {
        open: async (grant: SinkGrant) => {
          await good.open(grant);
          mine.add(grant.id);
        },
        close: async (grant: SinkGrant) => {
          if (mine.has(grant.id)) await good.close(grant);
        },
      };
    };
    const findings = await findingsOf(forgets);
    assert.deepEqual(findings, [
      'close takes nothing back after a restart: keep what it needs outside the process',
    ]);
  });

  it('finds calls that do not end, when told to or at all', async () => {
    const never = () => new Promise<void>(() => {});
    const hangs = /open does not end within 1000 ms after its signal aborts; give the signal on/;
    await finds({ open: never }, /open takes longer than 300 ms/, hangs);
    const slow = (_: SinkGrant, signal: AbortSignal) =>
      sleep(600, undefined, { signal }).catch(() => {
        throw new Error('stopped');
      });
    const [first = ''] = await findingsOf({ ...good, open: slow }, { state, timeoutMs: 100 });
    assert.match(first, /^open takes longer than 100 ms$/);
    const deaf = async (grant: SinkGrant, signal: AbortSignal) => {
      await good.open(grant);
      if (signal.aborted) await sleep(1500);
    };
    await finds({ open: deaf }, hangs);
  });

  it('finds what is done though it was told to stop, and is not taken back', async () => {
    const late = async ({ id, source }: SinkGrant, signal: AbortSignal) => {
      reach();
      await sleep(0);
      // Behind its own back: what close cannot know of.
      if (signal.aborted) open.set(`late ${id}`, source);
      signal.throwIfAborted();
      open.set(id, source);
    };
    await finds({ open: late }, /close does not take back what was done when told to stop/);
  });

  it('finds failures that are not said', async () => {
    const claims = async (grant: SinkGrant) => {
      await good.open(grant).catch(() => {});
    };
    await finds({ open: claims }, /open says that it is open when its other side fails/);
    const shrugs = async (grant: SinkGrant) => {
      await good.close(grant).catch(() => {});
    };
    await finds({ close: shrugs }, /close says that it is closed when its other side fails/);
  });

  it('finds errors that are none, say nothing, or too much', async () => {
    const throws = (thrown: unknown) => ({ failed: () => Promise.reject(thrown) });
    const fails = [/failed fails/, /failed fails the second/];
    await finds(throws('text'), /failed throws what is no Error: threw text/, ...fails);
    await finds(throws(new Error('')), /failed throws an Error without a message/, ...fails);
    await finds(
      throws(new Error('a\nb')),
      /failed throws an Error of several lines: a b/,
      ...fails,
    );
    const long = new Error('x'.repeat(600));
    await finds(throws(long), /an Error of 600 characters, of which 500 are shown/, ...fails);
  });

  it('finds what is left behind', async () => {
    const servers = new Set<ReturnType<typeof createServer>>();
    const leaky = async (grant: SinkGrant) => {
      await good.open(grant);
      const server = createServer();
      servers.add(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    };
    try {
      await finds({ open: leaky }, /leaves something behind .*\(TCPServerWrap\): end it, or unref/);
    } finally {
      for (const server of servers) server.close();
    }
  });

  it('finds a state that shows nothing, and survives one that fails', async () => {
    const [blind = ''] = await findingsOf(good, { state: () => 1 });
    assert.match(blind, /state\(\) gives the same before and after open/);
    const fails = () => assert.fail('no state');
    const [first = ''] = await findingsOf(good, { state: fails });
    assert.match(first, /^opening twice is as opening once could not be tried: no state$/);
  });
});
