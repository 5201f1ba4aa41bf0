/** The fold of a journal: what is still to be done about which grant (DESIGN 5). */
import { advanceGrant, type GrantState, isFinal, newGrant } from '../../machines/grant.js';
import type { JournalEvent } from '../journal/events.js';
import { grantId } from '../journal/events.js';

/** A fold under way. Closed and abandoned grants drop out, and a later echo cannot revive them. */
export interface GrantFold {
  readonly live: ReadonlyMap<string, GrantState>;
  apply(event: JournalEvent): void;
}

/** The grant that an event begins, if it is unknown so far. */
function begun(event: JournalEvent): GrantState | undefined {
  if (event.type !== 'Completed' && event.type !== 'Opening') return undefined;
  const { door, source, configuration, host } = event;
  return newGrant({
    // An Opening whose Completed was trimmed away still says everything.
    id: event.type === 'Opening' ? event.grant : grantId(event),
    host,
    door,
    source,
    configuration,
    completedAtMs: event.type === 'Opening' ? (event.happenedAtMs ?? event.atMs) : event.atMs,
  });
}

export function createGrantFold(): GrantFold {
  const live = new Map<string, GrantState>();
  const finished = new Set<string>();

  function put(state: GrantState): void {
    const { id } = state.context;
    if (isFinal(state)) {
      live.delete(id);
      finished.add(id);
    } else {
      live.set(id, state);
    }
  }

  return {
    live,
    apply(event) {
      const fresh = begun(event);
      if (fresh !== undefined && !live.has(fresh.context.id) && !finished.has(fresh.context.id)) {
        live.set(fresh.context.id, fresh);
      }
      if (!('grant' in event)) return;
      const state = live.get(event.grant);
      if (state !== undefined) put(advanceGrant(state, event));
    },
  };
}

/** All grants that are not closed, by id, in the order of their beginning. */
export async function foldGrants(
  events: AsyncIterable<JournalEvent> | Iterable<JournalEvent>,
): Promise<Map<string, GrantState>> {
  const fold = createGrantFold();
  for await (const event of events) fold.apply(event);
  return new Map(fold.live);
}
