import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DormantLoad } from './dormant-load.js';

const LOAD = fileURLToPath(new URL('./dormant-load.js', import.meta.url));
/** Half of what a burst may delay a deadline by. */
const LONGEST_MS = 25;
/** The machine itself may pause a process now and then; the table would pause it in every run. */
const RUNS = 4;

async function loadRun(): Promise<DormantLoad> {
  const { stdout } = await promisify(execFile)(process.execPath, [LOAD]);
  return JSON.parse(stdout);
}

describe('a dormant table of a million sources', () => {
  it(`never takes ${LONGEST_MS} ms for a hundred calls, full, with gaps or growing`, async function () {
    this.timeout(120_000);
    this.slow(20_000);
    let longestMs = Number.POSITIVE_INFINITY;
    let told = '';
    for (let run = 0; run < RUNS && longestMs >= LONGEST_MS; run++) {
      const load = await loadRun();
      const runMs = Math.max(...Object.values(load).map(({ hundredMs }) => hundredMs));
      if (runMs > longestMs) continue;
      longestMs = runMs;
      told = Object.entries(load)
        .map(([name, { callMs, hundredMs }]) => `${name} ${round(callMs)}, ${round(hundredMs)}`)
        .join('; ');
    }
    console.log(`    longest call, hundred calls, ms: ${told}`);
    assert.ok(longestMs < LONGEST_MS, told);
  });
});

const round = (ms: number) => Math.round(ms * 100) / 100;
