import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNetwork, type Network } from '../support/netns.js';
import { requireRoot } from '../support/root.js';
import { type Recording, record } from './recording.js';
import { timelineOf } from './timeline.js';
import { judge, type Verdict } from './verdict.js';

/** 1 is the everyday run; from 5 on it is the full one, which must have the counts of FULL. */
const SCALE = Number(process.env['DIFF_SCALE'] ?? 1);
const SEED = Number(process.env['DIFF_SEED'] ?? Math.floor(Math.random() * 1e9));
const SECONDS = 12 * SCALE;
const FULL = { knockd: 1000, each: 50 };

describe(`knockd 0.8 and postern on one interface (DIFF_SEED=${SEED})`, function () {
  this.timeout(60_000 + SECONDS * 5000);
  let network: Network | undefined;
  let folder: string | undefined;
  let recording: Recording;
  let verdict: Verdict;

  before(async function () {
    requireRoot(this);
    network = await createNetwork();
    folder = await mkdtemp(join(tmpdir(), 'postern-differential-'));
    recording = await record(network, folder, timelineOf(SEED, SECONDS));
    verdict = judge(recording);
  });

  after(async () => {
    await network?.dispose();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('knockd does what the model of it says, so the model may explain', () => {
    const modelled = verdict.knockd.map((one) => `${one.source} ${one.door}`);
    const logged = recording.knockd.map((one) => `${one.source} ${one.door}`);
    assert.deepEqual(logged, modelled);
  });

  it('postern opens exactly what the rules say, source by source', () => {
    assert.equal(verdict.unaccounted.length, 0, verdict.unaccounted.slice(0, 3).join('\n\n'));
  });

  it('the journal holds a Completed event for each opening, at its packet', () => {
    assert.deepEqual(verdict.misjournalled, []);
  });

  it('whenever knockd opens a door, postern has opened it at that packet or just before', () => {
    assert.deepEqual(verdict.broken, []);
  });

  it('every further opening is explained by M3, M5 or M9, and the streams bite', () => {
    const { counts, extra, unexplained } = verdict.explained;
    const figures = [...counts].map(([rules, count]) => `${rules} ${count}`).join(', ');
    const sent = `${recording.packets.length} packets, knockd ${verdict.knockd.length} openings`;
    console.log(`      ${sent}, postern ${extra} more: ${figures}`);
    assert.deepEqual(unexplained, []);
    const full = SCALE >= 5;
    assert.ok(verdict.knockd.length >= (full ? FULL.knockd : 100 * SCALE), sent);
    for (const rule of ['M3', 'M5', 'M9']) {
      const count = counts.get(rule) ?? 0;
      assert.ok(count >= (full ? FULL.each : 1), `${rule} explains ${count}: ${figures}`);
    }
  });
});
