import assert from 'node:assert/strict';
import { coalesced } from '../../../src/cluster/coalesced.js';

describe('work that many ask for at once', () => {
  /** Work that ends when it is told to. */
  function bench() {
    const begun: string[] = [];
    const ends: ((failure?: Error) => void)[] = [];
    const ask = coalesced((key) => {
      begun.push(key);
      return new Promise<void>((resolve, reject) => {
        ends.push((failure) => (failure === undefined ? resolve() : reject(failure)));
      });
    });
    return { begun, ends, ask };
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('is done once more for all who asked while it was done, and never twice at a time', async () => {
    const { begun, ends, ask } = bench();
    const first = ask('a');
    await turn();
    const others = [ask('a'), ask('a'), ask('a')];
    await turn();
    assert.deepEqual(begun, ['a']);
    ends[0]?.();
    await first;
    await turn();
    assert.deepEqual(begun, ['a', 'a']);
    const last = ask('a');
    ends[1]?.();
    await Promise.all(others);
    await turn();
    assert.deepEqual(begun, ['a', 'a', 'a']);
    ends[2]?.();
    await last;
  });

  it('is begun at once for another key, and fails for those who asked for what failed', async () => {
    const { begun, ends, ask } = bench();
    const failed = assert.rejects(ask('a'), /broken/);
    await turn();
    const next = ask('a');
    const other = ask('b');
    await turn();
    assert.deepEqual(begun, ['a', 'b']);
    ends[0]?.(new Error('broken'));
    await failed;
    await turn();
    assert.deepEqual(begun, ['a', 'b', 'a']);
    for (const end of ends) end();
    await Promise.all([next, other]);
  });
});
