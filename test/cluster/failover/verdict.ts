/** What knocks were answered, held against what was executed. */
import type { Execution } from '../hostile/host.js';
import type { Knock } from './knocks.js';

/** Where a completion has an effect, it has it once. */
export interface Verdict {
  /** Never allowed. */
  readonly faults: string[];
  /** A one-time sequence that opened for two sources. */
  readonly openedTwice: string[];
  /** An answer that was a promise, and a host that did not keep it. */
  readonly unheard: string[];
  /** A door that one host acts on, and two acted. */
  readonly actedTwice: string[];
}

const SAID_WITHIN_MS = 1000;

export function verdictOn(
  knocks: readonly Knock[],
  executions: readonly Execution[],
  hosts: readonly string[],
): Verdict {
  const verdict: Verdict = { faults: [], openedTwice: [], unheard: [], actedTwice: [] };
  const ran = new Map<string, string[]>();
  for (const { source, host } of executions) ran.set(source, [...(ran.get(source) ?? []), host]);
  for (const knock of knocks) judge(knock, ran.get(knock.source) ?? [], hosts, verdict);
  for (const [sequence, sources] of openedBy(knocks, ran)) {
    if (sources.length > 1) verdict.openedTwice.push(`${sequence}: ${sources.join(', ')}`);
  }
  return verdict;
}

function judge(
  knock: Knock,
  ran: readonly string[],
  hosts: readonly string[],
  { faults, unheard, actedTwice }: Verdict,
): void {
  const { door, host, answer, refusedAfterMs } = knock;
  const text = `${JSON.stringify(knock)} ran on [${ran.join()}]`;
  const isWon = answer === 'opening' || answer === 'queued' || answer === 'repeated';
  if (new Set(ran).size < ran.length) faults.push(`twice on one host: ${text}`);
  if (answer === 'refused' && (refusedAfterMs ?? Number.POSITIVE_INFINITY) > SAID_WITHIN_MS) {
    faults.push(`refused, and not said within a second: ${text}`);
  }
  if (answer === 'spent' && ran.length > 0) faults.push(`spent, and acted on: ${text}`);
  if (door === 'here' || door === 'mine') {
    if (ran.some((each) => each !== host)) faults.push(`not knocked there: ${text}`);
    const isKept = isWon ? ran.length === 1 : door === 'mine';
    if (!isKept) faults.push(`not opened where it was knocked: ${text}`);
  } else if (door === 'once') {
    if (new Set(ran).size > 1) actedTwice.push(text);
    if (isWon && ran.length === 0) unheard.push(text);
  } else if (isWon && hosts.some((each) => !ran.includes(each))) {
    unheard.push(text);
  }
}

/** By one-time sequence, the sources that it opened for. */
function openedBy(
  knocks: readonly Knock[],
  ran: ReadonlyMap<string, readonly string[]>,
): Map<string, string[]> {
  const sources = new Map<string, string[]>();
  for (const { sequence, source, host, answer } of knocks) {
    if (sequence === undefined || !ran.has(source)) continue;
    const what = `${source} at ${host} (${answer}, ran on ${ran.get(source)?.join()})`;
    sources.set(sequence, [...(sources.get(sequence) ?? []), what]);
  }
  return sources;
}
