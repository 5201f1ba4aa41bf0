/** What is open anywhere in the cluster, by the events that its hosts forward. */
import { deadlineOf, type GrantPhase } from '../../machines/grant.js';
import { begun } from '../jobs/fold.js';
import { compareIds } from '../journal/ids.js';
import { Course } from './course.js';
import type { ClusterGrantStatus } from './status.js';
import type { ClusterMessage } from './types.js';

/** Finished grants that are remembered of a host, so that a late echo does not revive them. */
const MOST_FINISHED = 10_000;
/** Of a host whose ends of grants were never told: its oldest are forgotten. */
const MOST_LIVE = 5000;

export interface ClusterView {
  /**
   * Takes in a report. False for what is none, and for one that is not newer than the last of its
   * host: it came twice.
   */
  apply(message: ClusterMessage): boolean;
  /**
   * Every grant that is not closed, by host and in the order they began.
   * @param nowWallMs this host's wall clock
   * @param aheadOf milliseconds that another host's wall clock is ahead of this one's
   */
  grants(nowWallMs: number, aheadOf: (host: string) => number): ClusterGrantStatus[];
  /** Drops what is known of a host that will not come back. */
  forget(host: string): void;
}

export function createClusterView(): ClusterView {
  const hosts = new Map<string, HostView>();
  return {
    apply(message) {
      if (message.kind !== 'report') return false;
      const host = hosts.get(message.host) ?? new HostView();
      hosts.set(message.host, host);
      return host.apply(message);
    },
    grants(nowWallMs, aheadOf) {
      const names = [...hosts.keys()].sort();
      return names.flatMap((name) => hosts.get(name)?.grants(nowWallMs + aheadOf(name)) ?? []);
    },
    forget(host) {
      hosts.delete(host);
    },
  };
}

type Report = Extract<ClusterMessage, { readonly kind: 'report' }>;

/** One host's grants: on another, one of the same id has a life of its own. */
class HostView {
  readonly #live = new Map<string, Course>();
  readonly #finished = new Set<string>();
  #last: string | undefined;

  apply(report: Report): boolean {
    const { id, event } = report;
    if (this.#last !== undefined && compareIds(id, this.#last) <= 0) return false;
    this.#last = id;
    this.#begin(report);
    if (event.type !== 'Completed' && 'grant' in event) {
      const course = this.#live.get(event.grant);
      course?.add(event);
      if (course?.isOver) this.#finish(event.grant);
    }
    return true;
  }

  grants(hostWallMs: number): ClusterGrantStatus[] {
    return [...this.#live.values()].flatMap(({ state }) => {
      const shown = SHOWN[state.phase];
      if (shown === undefined) return [];
      const { id, host, door, source } = state.context;
      const deadline = deadlineOf(state);
      const leftSeconds = deadline === null ? null : Math.round((deadline - hostWallMs) / 100) / 10;
      return [{ grant: id, host, door, source, state: shown, leftSeconds }];
    });
  }

  #begin({ id, host, atMs, event }: Report): void {
    const state = begun({ ...event, id, host, atMs });
    if (state === undefined) return;
    const grant = state.context.id;
    if (this.#live.has(grant) || this.#finished.has(grant)) return;
    this.#live.set(grant, new Course(state));
    if (this.#live.size > MOST_LIVE) this.#finish(this.#live.keys().next().value);
  }

  #finish(grant: string | undefined): void {
    if (grant === undefined) return;
    this.#live.delete(grant);
    this.#finished.add(grant);
    const first =
      this.#finished.size > MOST_FINISHED ? this.#finished.keys().next().value : undefined;
    if (first !== undefined) this.#finished.delete(first);
  }
}

const SHOWN: Partial<Record<GrantPhase, ClusterGrantStatus['state']>> = {
  completed: 'opening',
  opening: 'opening',
  open: 'open',
  closing: 'closing',
  failed: 'failed',
};
