/**
 * `npm run bench`: knockd and postern in turn, one scenario after the other, beside the goals. Needs
 * root, for network namespaces.
 */
import { setMaxListeners } from 'node:events';
import { mayMakeNetworks } from '../test/support/root.js';
import { type Ending, fullRun, quickRun, recordingRun } from './lib/forms.js';
import { type Options, optionsOf, USAGE } from './lib/options.js';
import { writeReport } from './lib/report.js';
import { resultsFolder } from './lib/results.js';
import { runScenario } from './lib/run.js';
import { SCENARIOS } from './scenarios/all.js';

/** What continuous integration has for the short form. */
const QUICK_SECONDS = 120;
const FORMS = { full: fullRun, quick: quickRun, record: recordingRun } as const;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readOptions(): Options {
  try {
    return optionsOf(
      process.argv.slice(2),
      SCENARIOS.map(({ name }) => name),
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}\n`);
    process.exit(2);
  }
}

/** The first Ctrl-C ends what runs and removes what it made. */
function endedBySignal(): AbortSignal {
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => ending.abort(new Error('interrupted')));
  }
  return ending.signal;
}

async function measure({ names, mode }: Options & { mode: keyof typeof FORMS }): Promise<number> {
  const signal = endedBySignal();
  const beganMs = performance.now();
  const endings: Ending[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => names.includes(name))) {
    if (signal.aborted) break;
    say(`\n${scenario.name}: ${scenario.title}`);
    const run = (quick: boolean) => runScenario({ name: scenario.name, quick, signal });
    endings.push(await FORMS[mode]({ scenario, run, signal, say, folder: resultsFolder() }));
  }
  if (signal.aborted) {
    say('\nInterrupted; what was done before is kept.');
    return 130;
  }
  return conclude(endings, (performance.now() - beganMs) / 1000, mode);
}

function conclude(endings: readonly Ending[], seconds: number, mode: Options['mode']): number {
  const problems = endings.flatMap(({ name, problems }) => problems.map((it) => `${name}: ${it}`));
  say(`\n${endings.length} scenarios in ${Math.round(seconds)} s.`);
  if (mode === 'quick' && seconds > QUICK_SECONDS)
    say(`The short form should take ${QUICK_SECONDS} s at most.`);
  for (const problem of problems) say(`FAILED  ${problem}`);
  if (problems.length === 0 && mode === 'quick') say('No ratio is twice the recorded one.');
  if (mode === 'full')
    say('npm run bench -- --report writes docs/performance.md from the results.');
  return problems.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const { mode, names } = readOptions();
  if (mode === 'help') {
    say(USAGE);
    return 0;
  }
  if (mode === 'report') {
    for (const file of await writeReport()) say(file);
    return 0;
  }
  if (!mayMakeNetworks()) {
    process.stderr.write(
      'The bench makes network namespaces, which takes root: sudo npm run bench\n',
    );
    return 1;
  }
  return measure({ mode, names });
}

process.exitCode = await main();
