import assert from 'node:assert/strict';
import { Outlet } from '../../src/capture/outlet.js';
import { poll } from '../support/poll.js';

const MIB = 1024 * 1024;

/** A pipe that takes so many bytes and then none until it is read. */
class Pipe {
  taken = Buffer.alloc(0);
  dropped = 0;
  room = Number.POSITIVE_INFINITY;
  readonly outlet = new Outlet({
    write: (bytes) => {
      const fits = Math.min(bytes.length, this.room);
      this.room -= fits;
      this.taken = Buffer.concat([this.taken, bytes.subarray(0, fits)]);
      return fits;
    },
    onDropped: (bytes) => {
      this.dropped += bytes;
    },
  });
}

function numbered(first: number, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, index) => (first + index) % 251));
}

describe('the sensor’s outlet', () => {
  it('hands on what fits at once', () => {
    const pipe = new Pipe();
    pipe.outlet.send(Buffer.from([1, 2, 3]));
    assert.deepEqual([...pipe.taken], [1, 2, 3]);
  });

  it('keeps what does not fit, also the rest of a batch, and sends it in order when there is room', async () => {
    const pipe = new Pipe();
    pipe.room = 5;
    for (let first = 0; first < 40; first += 4) pipe.outlet.send(numbered(first, 4));
    assert.deepEqual(pipe.taken, numbered(0, 5));
    pipe.room = 3;
    await poll(() => pipe.taken.length === 8, 'what fits goes out by itself');
    pipe.room = Number.POSITIVE_INFINITY;
    await poll(() => pipe.taken.length === 40, 'all of it goes out by itself');
    assert.deepEqual(pipe.taken, numbered(0, 40));
    assert.equal(pipe.dropped, 0);
  });

  it('drops whole batches once a megabyte waits, counts them, and goes on in step', async () => {
    const pipe = new Pipe();
    pipe.room = 100;
    const batches = 80;
    const size = 14_336;
    for (let n = 0; n < batches; n += 1) pipe.outlet.send(Buffer.alloc(size, n));
    assert.ok(pipe.dropped > 0 && pipe.dropped % size === 0, `${pipe.dropped} bytes dropped`);
    pipe.room = 700_000;
    await poll(() => pipe.taken.length === 700_100, 'some of it goes out');
    for (let n = batches; n < 2 * batches; n += 1) pipe.outlet.send(Buffer.alloc(size, n));
    pipe.room = Number.POSITIVE_INFINITY;
    await poll(() => pipe.taken.length === 2 * batches * size - pipe.dropped, 'the rest goes out');
    assert.ok(pipe.taken.length > MIB + 700_000 - 2 * size, `${pipe.taken.length} bytes arrived`);
    let last = -1;
    for (let at = 0; at < pipe.taken.length; at += size) {
      const batch = pipe.taken.subarray(at, at + size);
      assert.ok(
        batch.every((byte) => byte === batch[0]),
        `the batch at ${at} is whole`,
      );
      assert.ok((batch[0] ?? 0) > last, `the batch at ${at} comes behind the one before it`);
      last = batch[0] ?? 0;
    }
    pipe.outlet.send(Buffer.from([7]));
    assert.equal(pipe.taken.at(-1), 7);
  });
});
