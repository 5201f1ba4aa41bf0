/** The forms in which a scenario is run: in full, short to be compared, short to be recorded. */
import { best, checkRatios, middle, worse } from './compare.js';
import { describeMachine, loadAverages } from './machine.js';
import { type Ratios, readRecorded, record, writeResult } from './results.js';
import { plainTable } from './rows.js';
import { rowsOf } from './rows-all.js';
import type { Measured, Scenario } from './scenario.js';

export interface Job {
  readonly scenario: Pick<Scenario, 'name' | 'title'>;
  run(quick: boolean): Promise<Measured>;
  /** Whoever waits has given up. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Of the results. */
  readonly folder: string;
}

export interface Ending {
  readonly name: string;
  /** Sentences; none when it went as it should. */
  readonly problems: readonly string[];
}

/** Of noisy machines, what is in the middle of so many runs is recorded. */
const RECORDED_RUNS = 3;
/** One more try for a ratio that is too bad: it counts only when it is so twice. */
const TRIES = 2;

/** Writes the result; goals that are missed are told, and are no failure. */
export async function fullRun(job: Job): Promise<Ending> {
  return failing(job, async () => {
    const [beganMs, before] = [performance.now(), loadAverages()];
    const measured = await once(job, false);
    await writeResult(
      {
        ...{ scenario: job.scenario.name, title: job.scenario.title },
        at: new Date().toISOString(),
        tookSeconds: Math.round((performance.now() - beganMs) / 1000),
        machine: await describeMachine(),
        loadAverages: { before: [...before], after: [...loadAverages()] },
        ...{ ratios: { ...measured.ratios }, figures: measured.figures },
      },
      job.folder,
    );
    return [];
  });
}

export async function quickRun(job: Job): Promise<Ending> {
  return failing(job, async () => {
    const { [job.scenario.name]: then } = await readRecorded(job.folder);
    const runs: Ratios[] = [];
    for (let left = TRIES - 1; ; left--) {
      const problems = await compared(job, runs, then?.ratios);
      // Another try is worth it only where there is something to compare with.
      if (problems.length === 0 || left === 0 || then === undefined) return problems;
      job.say(`  ${problems.join('\n  ')}\n  Once more, for this machine may have been busy.`);
    }
  });
}

/** Runs once; the problems of the best of all runs until now. */
async function compared(job: Job, runs: Ratios[], then?: Ratios): Promise<readonly string[]> {
  try {
    const { ratios } = await once(job, true);
    runs.push(ratios);
    for (const [name, value] of Object.entries(ratios)) {
      job.say(`  ratio ${name}: ${value.toPrecision(3)} (${then?.[name] ?? 'not recorded'})`);
    }
  } catch (error) {
    job.say(`  ${reasonOf(error)}`);
    if (runs.length === 0) return [firstLine(reasonOf(error))];
  }
  return worse(best(runs), then);
}

export async function recordingRun(job: Job): Promise<Ending> {
  return failing(job, async () => {
    const runs: Ratios[] = [];
    while (runs.length < RECORDED_RUNS) runs.push((await once(job, true)).ratios);
    const ratios = middle(runs);
    checkRatios(ratios);
    const entry = { at: new Date().toISOString(), machine: await describeMachine(), ratios };
    await record(job.scenario.name, { ...entry, ratios: { ...ratios } }, job.folder);
    return [];
  });
}

async function once({ scenario, run, signal, say }: Job, quick: boolean): Promise<Measured> {
  signal.throwIfAborted();
  const beganMs = performance.now();
  const measured = await run(quick);
  const seconds = Math.round((performance.now() - beganMs) / 1000);
  say(`${plainTable(rowsOf(scenario.name, measured.figures))}\n  (${seconds} s)`);
  return measured;
}

/** What it threw becomes a problem: the other scenarios go on. */
async function failing(
  { scenario, say }: Job,
  run: () => Promise<readonly string[]>,
): Promise<Ending> {
  const { name } = scenario;
  try {
    return { name, problems: await run() };
  } catch (error) {
    say(`  ${reasonOf(error)}`);
    return { name, problems: [firstLine(reasonOf(error))] };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
