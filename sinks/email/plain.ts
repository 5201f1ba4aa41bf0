/** postern's own message as plain text. */
import { escapePlain } from '../template.js';
import type { SinkCall } from '../types.js';
import { adviceOf, factsOf, headlineOf, isTest, MAX_CALLS, untilOf } from './words.js';

export function plainText(calls: readonly SinkCall[]): string {
  const failures = calls.filter(({ event }) => event === 'failed');
  const [only] = calls;
  const blocks = [
    escapePlain(headlineOf(calls)),
    ...adviceText(failures),
    only !== undefined && calls.length === 1 ? facts(only) : list(calls),
    ...(isTest(calls) ? ['This is a test: nobody knocked.'] : []),
    '-- \npostern sends this by itself; nobody reads an answer.',
  ];
  return `${blocks.join('\n\n')}\n`;
}

function adviceText(failures: readonly SinkCall[]): string[] {
  const advice = adviceOf(failures);
  if (advice === undefined) return [];
  const steps = advice.steps.map(
    ([what, command], index) => `${index + 1}. ${escapePlain(what)}:\n   ${command}`,
  );
  return [advice.meaning, `What to do:\n${steps.join('\n')}`];
}

function facts(call: SinkCall): string {
  return factsOf(call)
    .map(([label, value]) => `${`${label}:`.padEnd(8)}${escapePlain(value)}`)
    .join('\n');
}

function list(calls: readonly SinkCall[]): string {
  const rows = calls.slice(0, MAX_CALLS).map((call) => {
    const facts = new Map(factsOf(call));
    const [when, event, source, host, grant, reason] = [
      ...['When', 'Event', 'Source', 'Host', 'Grant', 'Reason'].map((label) =>
        escapePlain(facts.get(label) ?? ''),
      ),
    ];
    const until = untilOf(call);
    const line = `- ${when}  ${event} for ${source} on ${host}${until && `, until ${until}`}`;
    return [line, ...(reason ? [`  ${reason}`] : []), `  grant ${grant}`].join('\n');
  });
  return [...rows, ...more(calls.length)].join('\n');
}

/** How many are not shown. */
export function more(count: number): string[] {
  return count > MAX_CALLS ? [`and ${count - MAX_CALLS} more`] : [];
}
