/** `postern events`: the journal. */
import { escapeControls } from '../../config/diagnostics.js';
import { ask } from '../control/client.js';
import type { JournalEvent } from '../journal/events.js';

export interface EventsCommand {
  readonly follow: boolean;
  readonly json: boolean;
}

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
  const details = Object.entries(about).map(([name, value]) => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    return `${name}=${name === 'until' && typeof value === 'number' ? stamp(value) : shown}`;
  });
  return escapeControls([stamp(atMs), host, type, ...details].join('  '));
}

function stamp(atMs: number): string {
  return new Date(atMs).toISOString();
}
