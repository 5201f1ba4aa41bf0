/** From an order of the cluster to a grant of this host: made durable, once, then as any other. */
import type { EventOf, JournalEvent } from '../journal/events.js';
import type { Journal } from '../journal/types.js';
import type { Accepted } from './accepted.js';
import { type DispatchContext, dispatch } from './dispatch.js';
import { grantOf } from './fold.js';
import type { AcceptedOrder, DispatchResult } from './types.js';

export interface AcceptContext extends DispatchContext {
  readonly journal: Pick<Journal, 'read'>;
  readonly accepted: Accepted;
}

type Completed = JournalEvent & EventOf<'Completed'>;

/** See `Grants.accept`. */
export async function accept(
  order: AcceptedOrder,
  context: AcceptContext,
): Promise<DispatchResult> {
  const { grant, door, openForMs, guardUntilMs } = order;
  const { accepted, registry } = context;
  if (openForMs < Math.min(1, door.cmdTimeoutMs)) return { kind: 'ignored', reason: 'over' };
  if (accepted.has(grant) || registry.find(grant) !== undefined) return { kind: 'repeated' };
  const completed = await makeDurable(order, context);
  // Another call for the same grant may have been told first.
  if (completed === undefined || accepted.has(grant)) return { kind: 'repeated' };
  accepted.add(grant, guardUntilMs);
  return dispatch(grantOf(completed), door, context);
}

/** The event of a grant about which nothing has been done so far. */
async function makeDurable(
  order: AcceptedOrder,
  context: AcceptContext,
): Promise<Completed | undefined> {
  const { accepted, clock, ledger } = context;
  const { grant, guardUntilMs: untilMs, claim } = order;
  const body = bodyOf(order);
  const sinceMs = accepted.doubtedSince(grant);
  const atMs = Math.floor(clock.wall());
  let event: JournalEvent | undefined;
  try {
    event = await ledger.accept({ grant, untilMs, claim }, body);
  } catch (error) {
    accepted.doubt(grant, atMs);
    throw error;
  }
  if (event !== undefined) return { ...event, ...body };
  if (sinceMs === undefined) return undefined;
  // An earlier try of ours arrived, but its answer did not: nothing was done about it.
  const written = await findCompleted(grant, sinceMs, context);
  return written && { ...written, ...body };
}

function bodyOf(order: AcceptedOrder): EventOf<'Completed'> {
  const { grant, door, source, configuration, from, knockedAtMs, openForMs, claim } = order;
  return {
    type: 'Completed',
    ...{ door: door.name, source, configuration, grant, from, knockedAtMs },
    ...(claim !== undefined && { claim }),
    ...(openForMs < door.cmdTimeoutMs && { openForMs: Math.floor(openForMs) }),
  };
}

/** What this run has written about a grant since then: ids never lag behind the wall clock. */
async function findCompleted(
  grant: string,
  sinceMs: number,
  { journal }: AcceptContext,
): Promise<Completed | undefined> {
  for await (const event of journal.read({ after: `${Math.max(0, sinceMs - 1)}-0` })) {
    if (event.type === 'Completed' && event.grant === grant) return event;
  }
  return undefined;
}
