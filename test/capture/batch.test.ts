import assert from 'node:assert/strict';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { RecordBatch } from '../../src/capture/batch.js';
import { newParsedFrame } from '../../src/capture/parse.js';
import { RECORD_BYTES } from '../../src/capture/record.js';

describe('records on their way out of the sensor', () => {
  let nowMs = 1000;
  let writes: number[] = [];
  let batch = new RecordBatch(
    () => {},
    () => nowMs,
  );
  beforeEach(() => {
    nowMs = 1000;
    writes = [];
    batch = new RecordBatch(
      (bytes) => writes.push(bytes.length / RECORD_BYTES),
      () => nowMs,
    );
  });
  const add = () => batch.add(newParsedFrame(), nowMs);

  it('go out at the end of the turn when it was quiet before', async () => {
    add();
    add();
    assert.deepEqual(writes, []);
    await turn();
    await turn();
    assert.deepEqual(writes, [2]);
  });

  it('go out together, a millisecond later, when others went out just now', async () => {
    add();
    await turn();
    await turn();
    assert.deepEqual(writes, [1]);
    for (let n = 0; n < 5; n += 1) {
      add();
      await turn();
    }
    await sleep(5);
    assert.deepEqual(writes.toSpliced(0, 1), [5]);
  });

  it('go out without another turn of the event loop when time goes on, or the batch is full', () => {
    for (let n = 0; n < 300; n += 1) add();
    assert.deepEqual(writes, [256]);
    nowMs += 1;
    add();
    assert.deepEqual(writes, [256, 45]);
  });
});
