/** A replay's events as lines, and its summary. Stages are numbers, never ports (DESIGN 9). */
import { escapeControls } from '../../config/diagnostics.js';
import type { ReplayEvent, ReplaySummary } from './replay.js';

/** One event as a line: time, source, door, what happened. */
export function eventLine(event: ReplayEvent): string {
  const { door, source, atMs } = event;
  return `${clockTime(atMs)}  ${source}  ${escapeControls(door.name)}: ${whatHappened(event)}`;
}

function whatHappened({ kind, stage, reason, door }: ReplayEvent): string {
  const of = `stage ${stage} of ${door.knocks.length}`;
  switch (kind) {
    case 'begun':
    case 'advanced':
      return of;
    case 'completed':
      return 'would have OPENED';
    case 'spoiled':
      return `spoiled at ${of}: ${reason === 'stray' ? 'stray (too many other ports)' : reason}`;
    case 'expired':
      return `timeout at ${of} (after ${door.seqTimeoutMs / 1000} s)`;
    case 'refused':
      return 'no attempt begun: the source is scanning';
    case 'ignored':
      return 'too many attempts: the source is ignored for a minute';
    case 'limited':
      return 'no attempt begun: the source is ignored';
    case 'unfinished':
      return `still at ${of} when the capture ended`;
  }
}

/** What every source reached at every door, for the end of the report. */
export class Tally {
  readonly #rows = new Map<string, { opened: number; best: number; of: number; name: string }>();

  count({ kind, source, stage, door }: ReplayEvent): void {
    const key = JSON.stringify([source, door.name]);
    const name = `${source}  ${escapeControls(door.name)}`;
    const row = this.#rows.get(key) ?? { opened: 0, best: 0, of: door.knocks.length, name };
    if (kind === 'completed') row.opened++;
    row.best = Math.max(row.best, stage);
    this.#rows.set(key, row);
  }

  lines({ frames, packets, malformed }: ReplaySummary): string[] {
    const rows = [...this.#rows.values()];
    const opened = rows.reduce((sum, row) => sum + row.opened, 0);
    const bad = malformed === 0 ? '' : `, ${malformed} malformed`;
    return [
      ...rows.map(({ name, opened: times, best, of }) =>
        times > 0
          ? `${name}: would have opened ${times === 1 ? 'once' : `${times} times`}`
          : `${name}: reached stage ${best} of ${of}`,
      ),
      `${frames} frames${bad}, ${packets} TCP or UDP packets; ` +
        `${rows.length === 0 ? 'nobody hit a first knock' : `${opened} opening${opened === 1 ? '' : 's'}`}`,
    ];
  }
}

function clockTime(atMs: number): string {
  const date = new Date(atMs);
  const pad = (value: number, width: number) => String(value).padStart(width, '0');
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => pad(n, 2));
  return `${day} ${time.join(':')}.${pad(date.getMilliseconds(), 3)}`;
}
