/** From an order of the cluster to a grant of this host: made durable, once, then as any other. */
import type { EventOf } from '../journal/events.js';
import type { Accepted } from './accepted.js';
import { type DispatchContext, dispatch } from './dispatch.js';
import { grantOf } from './fold.js';
import type { AcceptedOrder, DispatchResult } from './types.js';

export interface AcceptContext extends DispatchContext {
  readonly accepted: Accepted;
}

/** See `Grants.accept`. */
export async function accept(
  order: AcceptedOrder,
  context: AcceptContext,
): Promise<DispatchResult> {
  const { grant, door, guardUntilMs: untilMs, claim } = order;
  const { accepted, ledger, registry } = context;
  const isLate = order.openForMs < door.cmdTimeoutMs;
  if (isLate && order.openForMs < 1) return { kind: 'ignored', reason: 'over' };
  if (accepted.has(grant) || registry.find(grant) !== undefined) return { kind: 'repeated' };
  const body: EventOf<'Completed'> = {
    type: 'Completed',
    grant,
    door: door.name,
    source: order.source,
    configuration: order.configuration,
    from: order.from,
    knockedAtMs: order.knockedAtMs,
    ...(claim !== undefined && { claim }),
    ...(isLate && { openForMs: Math.floor(order.openForMs) }),
  };
  const event = await ledger.accept({ grant, untilMs, claim }, body);
  accepted.add(grant, untilMs);
  if (event === undefined) return { kind: 'repeated' };
  const { id, host, atMs } = event;
  return dispatch(grantOf({ ...body, id, host, atMs }), door, context);
}
