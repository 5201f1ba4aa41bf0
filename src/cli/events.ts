/** `postern events`: the journal. */
import { escapeControls } from '../../config/diagnostics.js';
import { ask } from '../control/client.js';
import type { JournalEvent } from '../journal/events.js';

export interface EventsCommand {
  readonly follow: boolean;
  readonly json: boolean;
}

/** What is shown as a time. */
const TIMES: ReadonlySet<string> = new Set(['until', 'happenedAtMs', 'nextAtMs']);
const SOON_MS = 1000;

/** Prints until the journal ends, or with `follow` until the signal aborts. */
export async function runEvents(
  socket: string,
  { follow, json }: EventsCommand,
  signal: AbortSignal,
): Promise<void> {
  for await (const reply of ask(socket, { command: 'events', follow }, signal)) {
    if (!('event' in reply)) continue;
    process.stdout.write(`${json ? JSON.stringify(reply.event) : eventText(reply.event)}\n`);
  }
}

/** One event as a line: when, which host, what, and what it is about. */
export function eventText(event: JournalEvent): string {
  const { type, id: _, host, atMs, ...about } = event;
  const details = Object.entries(about).flatMap(([name, value]) => {
    // The time that the line begins with says it, unless it was written late.
    if (name === 'happenedAtMs' && Math.abs(Number(value) - atMs) < SOON_MS) return [];
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    return `${name}=${TIMES.has(name) && typeof value === 'number' ? stamp(value) : shown}`;
  });
  return escapeControls([stamp(atMs), host, type, ...details].join('  '));
}

function stamp(atMs: number): string {
  return new Date(atMs).toISOString();
}
