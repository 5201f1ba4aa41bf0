/** The grants that this host holds in memory: live ones, and those that could not be closed. */
import { oldestOf } from '../journal/ids.js';
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
  /** Stream id of the oldest event that began a live grant. */
  oldest(): string | undefined;
}

export function createRegistry(): Registry {
  const grants = new Map<string, Arbiter>();
  const byKey = new Map<string, Arbiter>();

  function release(arbiter: Arbiter): void {
    if (arbiter.key !== undefined && byKey.get(arbiter.key) === arbiter) byKey.delete(arbiter.key);
  }

  return {
    add(arbiter) {
      grants.set(arbiter.id, arbiter);
      if (arbiter.key !== undefined) byKey.set(arbiter.key, arbiter);
      void arbiter.finished.then(() => release(arbiter));
      void arbiter.over.then(() => grants.delete(arbiter.id));
    },
    find: (grant) => grants.get(grant),
    liveOf: (key) => byKey.get(key),
    all: () => [...grants.values()],
    status: (nowMs) => [...grants.values()].map((arbiter) => statusOf(arbiter, nowMs)),
    referenced: () => new Set([...grants.values()].map(({ state }) => state.context.configuration)),
    oldest: () =>
      oldestOf(
        [...grants.values()]
          .filter(({ phase }) => phase !== 'failed')
          .map(({ state }) => state.context.eventId),
      ),
  };
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
  const { door, source, host, from = host } = state.context;
  const closing = phase === 'closing' || phase === 'failed';
  return {
    grant: id,
    door,
    source,
    state: closing ? phase : phase === 'open' ? 'open' : 'opening',
    leftSeconds:
      deadlineMs === null || closing ? null : Math.max(0, Math.round(deadlineMs - nowMs) / 1000),
    ...(from !== host && { from }),
    ...(isUnjournalled && { unjournalled: true as const }),
  };
}
