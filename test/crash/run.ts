/** What the crash tests share: knocking, waiting until all is shut, and the verdict at the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import type { CrashHost } from './host.js';
import { judge, LATE_MS, type Verdict } from './verdict.js';

export const SOURCES = [10, 11, 12, 13].map((last) => `192.0.2.${last}`);

/** Knocks once more at each door, which must open, and then judges the whole run. */
export async function finish(host: CrashHost): Promise<Verdict> {
  await allShut(host);
  await stillOpens(host);
  await allShut(host);
  const events = await host.postern.events();
  await host.postern.stop('SIGTERM', { keep: true });
  await host.checked();
  return judge({
    doors: host.doors,
    events,
    openings: host.client.openings,
    starts: await host.starts(),
    stops: await host.stops(),
    absences: host.absences,
  });
}

/** Every door is shut a deadline and `LATE_MS` after the last knock. */
async function allShut({ client, doors }: CrashHost): Promise<void> {
  const longestMs = Math.max(...doors.map(({ cmdTimeoutMs }) => cmdTimeoutMs));
  await sleep(longestMs + LATE_MS);
  const sinceMs = Date.now();
  await eventually('every door is shut', () =>
    SOURCES.every((source) =>
      doors.every(({ port }) => client.isOpen(source, port, sinceMs) === false),
    ),
  );
}

async function stillOpens({ client, doors }: CrashHost): Promise<void> {
  const [source = ''] = SOURCES;
  for (const { name, sequence, port } of doors) {
    await client.knock(source, sequence);
    await eventually(`${name} opens`, () => client.isOpen(source, port) === true);
  }
}
