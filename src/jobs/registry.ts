/** The grants that this host holds in memory: live ones, and those that could not be closed. */
import { compareIds } from '../journal/ids.js';
import type { Arbiter } from './arbiter.js';
import type { GrantStatus, LiveGrant } from './types.js';

export interface Registry {
  /** Holds it until it is finished; one that failed to close stays, for `postern status`. */
  add(arbiter: Arbiter): void;
  find(grant: string): Arbiter | undefined;
  /** The grant that excludes another one of this key: the latest that is not finished. */
  liveOf(key: string): Arbiter | undefined;
  all(): readonly Arbiter[];
  status(nowMs: number): readonly GrantStatus[];
  referenced(): ReadonlySet<string>;
  /** Stream id of the oldest Completed event that a live grant refers to. */
  oldest(): string | undefined;
}

export function createRegistry(): Registry {
  const grants = new Map<string, Arbiter>();
  const byKey = new Map<string, Arbiter>();

  function forget(arbiter: Arbiter): void {
    if (arbiter.phase !== 'failed') grants.delete(arbiter.id);
    if (arbiter.key !== undefined && byKey.get(arbiter.key) === arbiter) byKey.delete(arbiter.key);
  }

  return {
    add(arbiter) {
      grants.set(arbiter.id, arbiter);
      if (arbiter.key !== undefined) byKey.set(arbiter.key, arbiter);
      void arbiter.finished.then(() => forget(arbiter));
    },
    find: (grant) => grants.get(grant),
    liveOf: (key) => byKey.get(key),
    all: () => [...grants.values()],
    status: (nowMs) => [...grants.values()].map((arbiter) => statusOf(arbiter, nowMs)),
    referenced: () => new Set([...grants.values()].map(({ state }) => state.context.configuration)),
    oldest: () =>
      [...grants.values()]
        .filter(({ phase }) => phase !== 'failed')
        .map(completedId)
        .sort(compareIds)[0],
  };
}

/** A grant's id is its host's name and the id of its Completed event. */
function completedId({ id, state }: Arbiter): string {
  return id.slice(state.context.host.length + 1);
}

/** Those that are open and are not being closed. */
export function liveGrants(arbiters: readonly Arbiter[]): readonly LiveGrant[] {
  return arbiters.flatMap(({ live, door: opened, state }) => {
    const sinks = Object.entries(state.context.sinks)
      .filter(([, { phase, openFailure }]) => phase !== 'closed' && openFailure === undefined)
      .map(([name]) => name);
    return live === undefined ? [] : [{ ...live, opened, sinks }];
  });
}

function statusOf(arbiter: Arbiter, nowMs: number): GrantStatus {
  const { id, phase, deadlineMs, state, isUnjournalled } = arbiter;
  const { door, source } = state.context;
  const closing = phase === 'closing' || phase === 'failed';
  return {
    grant: id,
    door,
    source,
    state: closing ? phase : phase === 'open' ? 'open' : 'opening',
    leftSeconds:
      deadlineMs === null || closing ? null : Math.max(0, Math.round(deadlineMs - nowMs) / 1000),
    ...(isUnjournalled && { unjournalled: true as const }),
  };
}
