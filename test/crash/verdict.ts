/**
 * What a crash run must not show (T10), judged from outside: connections that another host made and
 * files that commands wrote, held against the journal.
 */
import type { Event } from '../support/daemon.js';
import type { Attempt } from './client.js';
import type { CrashDoor } from './doors.js';
import type { Absence } from './host.js';

/** "Left open" means: still open so long after the deadline. */
export const LATE_MS = 2000;

export interface Evidence {
  readonly doors: readonly CrashDoor[];
  /** The whole journal. */
  readonly events: readonly Event[];
  readonly openings: readonly Attempt[];
  /** Grants as the start and the stop commands wrote them. */
  readonly starts: readonly string[];
  readonly stops: readonly string[];
  readonly absences: readonly Absence[];
  /** What every postern wrote. */
  readonly logs: string;
}

export interface Verdict {
  readonly faults: readonly string[];
  readonly grants: number;
  readonly starts: number;
  readonly extended: number;
  readonly openings: number;
  /** The longest that a door was open after its deadline while postern was there; milliseconds. */
  readonly latestMs: number;
  /** The same after a start that found it overdue, from the moment postern listened. */
  readonly latestAfterStartMs: number;
}

interface Grant {
  readonly id: string;
  readonly door: string;
  readonly source: string;
  readonly openingMs: number;
  untilMs: number;
  /** The deadline that the kernel knows; undefined: it was never told, or it is not known. */
  kernelMs?: number;
  readonly opened: Set<string>;
  readonly closed: Map<string, number>;
}

export function judge(evidence: Evidence): Verdict {
  const grants = grantsOf(evidence.events);
  const faults = [
    ...neverClosed(grants.values()),
    ...twice(evidence.starts).map((id) => `${id} was started twice`),
    ...evidence.starts.filter((id) => !grants.has(id)).map((id) => `${id} started unrecorded`),
    ...[...grants.values()].filter((grant) => isUnstopped(grant, evidence)).map(unstopped),
  ];
  const late = { latestMs: 0, latestAfterStartMs: 0 };
  const all = [...grants.values(), ...unjournalled(evidence)];
  for (const opening of evidence.openings) {
    const fault = judgeOpening(opening, all, evidence, late);
    if (fault !== undefined) faults.push(fault);
  }
  return {
    faults,
    grants: grants.size,
    starts: evidence.starts.length,
    extended: evidence.events.filter(({ type }) => type === 'Extended').length,
    openings: evidence.openings.length,
    ...late,
  };
}

function grantsOf(events: readonly Event[]): Map<string, Grant> {
  const grants = new Map<string, Grant>();
  for (const event of events) {
    const { type, grant: id = '', until, sink = '', atMs } = event;
    if (type === 'Opening') {
      const { door = '', source = '' } = event;
      const untilMs = until ?? Number.POSITIVE_INFINITY;
      const empty = { opened: new Set<string>(), closed: new Map<string, number>() };
      grants.set(id, { id, door, source, openingMs: atMs, untilMs, ...empty });
    }
    const grant = grants.get(id);
    if (grant === undefined) continue;
    if (type === 'Opened' || type === 'OpenFailed') grant.opened.add(sink);
    if (['Opened', 'OpenFailed', 'Extended'].includes(type)) grant.untilMs = until ?? grant.untilMs;
    if (until && type === 'Opened' && sink === 'nftables') grant.kernelMs = until;
    if (until && type === 'Extended' && grant.kernelMs !== undefined) grant.kernelMs = until;
    // An opening of unknown outcome has a deadline far away, and is closed at the start.
    if (type === 'Closing') grant.untilMs = Math.min(grant.untilMs, atMs);
    if (type === 'Closed') grant.closed.set(sink, atMs);
    // Its Opening was not confirmed in time: nothing may have run.
    if (type === 'Abandoned') grants.delete(id);
  }
  return grants;
}

/** A door that the kernel times may open while the journal is out of reach, and says so (T14). */
function unjournalled({ logs, doors }: Evidence): Grant[] {
  const lines = logs.split('\n').filter((line) => line.includes('"msg":"done without the journal'));
  return lines.flatMap((line) => {
    const said = JSON.parse(line) as Record<'grant' | 'door' | 'source' | 'time', string>;
    const door = doors.find(({ name, hasCommands }) => name === said.door && !hasCommands);
    if (door === undefined) return [];
    const openingMs = Date.parse(said.time);
    const kernelMs = openingMs + door.cmdTimeoutMs;
    const sinks = { opened: new Set<string>(), closed: new Map<string, number>() };
    return [{ ...said, id: said.grant, openingMs, untilMs: kernelMs, kernelMs, ...sinks }];
  });
}

function neverClosed(grants: Iterable<Grant>): string[] {
  return [...grants]
    .filter(({ opened, closed }) => closed.size === 0 || [...opened].some((s) => !closed.has(s)))
    .map(({ id }) => `${id} was never closed`);
}

function twice(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) !== index);
}

function isUnstopped({ id, door }: Grant, { doors, stops }: Evidence): boolean {
  return doors.some(({ name, hasCommands }) => name === door && hasCommands) && !stops.includes(id);
}

const unstopped = ({ id }: Grant) => `${id} was closed without its stop command`;

function judgeOpening(
  { source, port, fromMs, toMs }: Attempt,
  grants: readonly Grant[],
  { doors, absences }: Evidence,
  late: { latestMs: number; latestAfterStartMs: number },
): string | undefined {
  const door = doors.find((each) => each.port === port);
  const about = `${door?.name} for ${source} at ${fromMs}`;
  const own = grants.filter(
    (grant) => grant.door === door?.name && grant.source === source && grant.openingMs <= toMs,
  );
  if (own.length === 0) return `${about}: open without a recorded grant`;
  // What the kernel takes back by itself is shut whether postern is there or not.
  const leasts = own.map((grant) =>
    door?.kernelTimed && grant.kernelMs !== undefined
      ? { lateMs: fromMs - grant.kernelMs, absent: false }
      : overdueMs(grant, fromMs, absences),
  );
  const least = leasts.sort((a, b) => a.lateMs - b.lateMs)[0];
  if (least === undefined || least.lateMs <= 0) return undefined;
  const key = least.absent ? 'latestAfterStartMs' : 'latestMs';
  late[key] = Math.max(late[key], least.lateMs);
  if (least.lateMs <= LATE_MS) return undefined;
  return `${about}: open ${least.lateMs} ms after its deadline`;
}

/** How long after its deadline a grant is at that time, from a start that came later than that. */
function overdueMs({ untilMs }: Grant, atMs: number, absences: readonly Absence[]) {
  const lateMs = atMs - untilMs;
  if (lateMs <= 0) return { lateMs, absent: false };
  // An absence that began before the close had to be over.
  let dueMs = untilMs;
  for (const { fromMs, toMs } of absences) {
    if (fromMs <= dueMs + LATE_MS && toMs >= dueMs) dueMs = toMs;
  }
  return { lateMs: atMs - dueMs, absent: dueMs > untilMs };
}
