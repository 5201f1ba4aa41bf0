/** What the journal says of many grants: which opened, which closed, how late, and by whom. */
import { z } from 'zod';
import { node, type Postern } from '../../test/support/daemon.js';
import type { Network } from '../../test/support/netns.js';

/** Tens of thousands of events take longer than a question to postern usually may. */
const READ_WITHIN_MS = 60_000;

const eventLine = z.object({
  type: z.string(),
  atMs: z.number(),
  id: z.string().optional(),
  host: z.string().optional(),
  grant: z.string().optional(),
  source: z.string().optional(),
  cause: z.string().optional(),
  until: z.number().nullish(),
  happenedAtMs: z.number().optional(),
});

type EventLine = z.infer<typeof eventLine>;

/** Wall clock ms; undefined: it did not happen. */
export interface GrantTimes {
  source?: string;
  untilMs?: number;
  openedAtMs?: number;
  closedAtMs?: number;
  /** Who began to close it. */
  cause?: string;
}

/** By grant. */
export async function grantTimes(
  network: Network,
  { stateDir }: Postern,
): Promise<Map<string, GrantTimes>> {
  const argv = node('postern', 'events', '--json', '--state-dir', stateDir);
  const said = await network.must('server', argv, { timeoutMs: READ_WITHIN_MS });
  const grants = new Map<string, GrantTimes>();
  for (const line of said.split('\n').filter(Boolean))
    take(grants, eventLine.parse(JSON.parse(line)));
  return grants;
}

function take(grants: Map<string, GrantTimes>, event: EventLine): void {
  const { type, grant, source, cause, until, happenedAtMs = event.atMs } = event;
  if (grant === undefined) return;
  const times = grants.get(grant) ?? {};
  grants.set(grant, times);
  if (type === 'Opening' && source !== undefined) times.source = source;
  if (type === 'Opened') times.openedAtMs = happenedAtMs;
  if (type === 'Opened' && typeof until === 'number') times.untilMs = until;
  if (type === 'Closing' && cause !== undefined) times.cause = cause;
  if (type === 'Closed') times.closedAtMs = happenedAtMs;
}
