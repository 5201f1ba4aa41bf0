/** What the crash tests share: knocking, waiting until all is shut, and the verdict at the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import type { CrashDoor } from './doors.js';
import type { CrashHost } from './host.js';
import { judge, LATE_MS, type Verdict } from './verdict.js';

export const SOURCES = [10, 11, 12, 13, 14, 15].map((last) => `192.0.2.${last}`);

/** From a knock to its grant, at the longest: an append waits a second for Redis. */
const SETTLE_MS = 1500;

/** The longest start command, and a slow machine. */
const OPENING_MS = 6000;

/** Knocks once more at these doors, which must open, and then judges the whole run. */
export async function finish(host: CrashHost, reopen = host.doors): Promise<Verdict> {
  await allShut(host);
  await stillOpens(host, reopen);
  await allShut(host);
  const events = await host.postern.events();
  const openings = [...host.client.openings];
  await host.postern.stop('SIGTERM', { keep: true });
  await host.checked();
  return judge({
    doors: host.doors,
    events,
    openings,
    starts: await host.starts(),
    stops: await host.stops(),
    absences: host.absences,
    logs: host.logs + host.postern.logs,
  });
}

/** Every knock has had its grant, every grant its end, and every door is shut. */
export async function allShut({ client, doors, sources, postern }: CrashHost): Promise<void> {
  await sleep(SETTLE_MS);
  const longestMs = Math.max(...doors.map(({ cmdTimeoutMs }) => cmdTimeoutMs));
  const withinMs = longestMs + OPENING_MS + 2 * LATE_MS;
  const isOver = async () => (await postern.status()).grants.length === 0;
  await eventually('every grant is over', isOver, { withinMs, everyMs: 500 });
  const sinceMs = Date.now();
  await eventually('every door is shut', () =>
    sources.every((source) =>
      doors.every(({ port }) => client.isOpen(source, port, sinceMs) === false),
    ),
  );
}

/** Each of these doors opens upon a knock. */
export async function stillOpens(
  { client, sources }: CrashHost,
  doors: readonly CrashDoor[],
): Promise<void> {
  const [source = ''] = sources;
  for (const { name, sequence, port } of doors) {
    await client.knock(source, sequence);
    await eventually(`${name} opens`, () => client.isOpen(source, port) === true, {
      withinMs: OPENING_MS,
    });
  }
}
