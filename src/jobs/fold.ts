/** The fold of a journal: what is still to be done about which grant (DESIGN 5). */
import { advanceGrant, type GrantState, isFinal, newGrant } from '../../machines/grant.js';
import { type EventOf, grantId, type JournalEvent } from '../journal/events.js';

/** A fold under way. Closed and abandoned grants drop out, and a later echo cannot revive them. */
export interface GrantFold {
  readonly live: ReadonlyMap<string, GrantState>;
  apply(event: JournalEvent): void;
}

/** The grant that an event begins, if it is unknown so far. */
export function begun(event: JournalEvent): GrantState | undefined {
  if (event.type !== 'Completed' && event.type !== 'Opening') return undefined;
  if (event.type === 'Completed') return grantOf(event);
  // An Opening whose Completed was trimmed away still says what a close needs.
  const { door, source, configuration, host, grant: id, id: eventId } = event;
  const atMs = event.happenedAtMs ?? event.atMs;
  const times = { completedAtMs: atMs, knockedAtMs: atMs };
  return newGrant({ id, host, door, source, configuration, eventId, ...times });
}

/** The grant that a completion gives, of which nothing has run. */
export function grantOf(completed: JournalEvent & EventOf<'Completed'>): GrantState {
  const { id: eventId, host, door, source, configuration, atMs, from, openForMs } = completed;
  return newGrant({
    ...{ id: grantId(completed), eventId, host, door, source, configuration },
    completedAtMs: atMs,
    knockedAtMs: completed.knockedAtMs ?? atMs,
    ...(from !== undefined && { from }),
    ...(openForMs !== undefined && { openForMs }),
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
      if (event.type === 'Completed' || !('grant' in event)) return;
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
