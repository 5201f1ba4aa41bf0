import assert from 'node:assert/strict';
import { access, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fullRun, type Job, quickRun, recordingRun } from '../../bench/lib/forms.js';
import { readRecorded, readResult } from '../../bench/lib/results.js';
import type { Measured } from '../../bench/lib/scenario.js';

type Step = Readonly<Record<string, number>> | Error;

describe('the forms of the bench', () => {
  let folder: string;
  let said: string[];
  let forms: boolean[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    [said, forms] = [[], []];
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A scenario that gives these ratios one after the other, or throws. */
  function job(...steps: readonly Step[]): Job {
    const left = [...steps];
    const run = async (quick: boolean): Promise<Measured> => {
      forms.push(quick);
      const step = left.shift();
      if (step === undefined) throw new Error('it was run too often');
      if (step instanceof Error) throw step;
      return { figures: { ran: forms.length }, ratios: step };
    };
    const signal = new AbortController().signal;
    const say = (text: string) => void said.push(text);
    return { scenario: { name: 'fake', title: 'A fake' }, run, signal, say, folder };
  }

  const recorded = async (a: number) => {
    assert.deepEqual((await recordingRun(job({ a }, { a }, { a }))).problems, []);
    forms = [];
  };

  it('in full, writes figures and ratios with the machine and its load', async () => {
    assert.deepEqual(await fullRun(job({ a: 2 })), { name: 'fake', problems: [] });
    const result = await readResult('fake', folder);
    assert.deepEqual(result?.ratios, { a: 2 });
    assert.deepEqual(result?.figures, { ran: 1 });
    assert.ok(result && result.machine.cores > 0);
    assert.match(result.machine.versions['node'] ?? '', /^\d+\./);
    assert.equal(result.loadAverages.before.length, 3);
    assert.deepEqual(forms, [false]);
    assert.deepEqual(await readdir(folder), ['fake.json']);
  });

  it('that fails, leaves the result that was there, and tells why', async () => {
    await fullRun(job({ a: 2 }));
    const { problems } = await fullRun(job(new Error('no wire\n  at somewhere')));
    assert.deepEqual(problems, ['no wire']);
    assert.deepEqual((await readResult('fake', folder))?.ratios, { a: 2 });
  });

  it('recording, keeps the middle of three short runs and what others recorded', async () => {
    await recordingRun(job({ a: 5 }, { a: 1 }, { a: 2 }));
    assert.deepEqual(forms, [true, true, true]);
    const other = job({ b: 1 }, { b: 1 }, { b: 1 });
    await recordingRun({ ...other, scenario: { name: 'other', title: '' } });
    const kept = await readRecorded(folder);
    assert.deepEqual(kept['fake']?.ratios, { a: 2 });
    assert.deepEqual(kept['other']?.ratios, { b: 1 });
  });

  it('recording, refuses what could never be compared', async () => {
    const nothing = { a: Number.NaN };
    const { problems } = await recordingRun(job(nothing, nothing, nothing));
    assert.deepEqual(problems, ['the ratio "a" is NaN']);
    await assert.rejects(access(join(folder, 'quick.json')));
  });

  it('in short, passes with one run, and writes nothing', async () => {
    await recorded(1);
    const before = await readRecorded(folder);
    assert.deepEqual((await quickRun(job({ a: 1.9 }))).problems, []);
    assert.deepEqual(forms, [true]);
    assert.deepEqual(await readRecorded(folder), before);
    assert.deepEqual(await readdir(folder), ['quick.json']);
  });

  it('in short, is run once more for a ratio that is too bad, and says so', async () => {
    await recorded(1);
    assert.deepEqual((await quickRun(job({ a: 2.1 }, { a: 1 }))).problems, []);
    assert.equal(forms.length, 2);
    assert.match(said.join('\n'), /2\.10 times the recorded[\s\S]*Once more/);
  });

  it('in short, fails for a ratio that is too bad twice', async () => {
    await recorded(1);
    const { problems } = await quickRun(job({ a: 4 }, { a: 3 }));
    assert.deepEqual(problems, ['a: 3.00, 3.00 times the recorded 1.00']);
  });

  it('in short, is run once more when it fails altogether', async () => {
    await recorded(1);
    assert.deepEqual((await quickRun(job(new Error('no wire'), { a: 1 }))).problems, []);
    const twice = await quickRun(job(new Error('no wire'), new Error('still none')));
    assert.deepEqual(twice.problems, ['still none']);
  });

  it('in short, fails when nothing was recorded, without a second run', async () => {
    const { problems } = await quickRun(job({ a: 1 }));
    assert.match(problems.join(), /nothing is recorded/);
    assert.equal(forms.length, 1);
  });
});
