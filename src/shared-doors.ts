/** This host's part in its cluster, wired to its doors, its sinks and its grants. */
import { Subject } from 'rxjs';
import { packageVersion } from './client/version.js';
import { systemClock } from './clock.js';
import type { SharedCompletion } from './cluster/cluster.js';
import { doorDigests } from './cluster/door-digests.js';
import type { ClusterBasis, NoBasis } from './cluster/join.js';
import { type ClusterPart, isOfCluster, partIn, type SharedResult } from './cluster/part.js';
import type { Doors } from './doors.js';
import type { HostSinks } from './host-sinks.js';
import type { DispatchResult, Grants } from './jobs/types.js';
import type { Journal } from './journal/types.js';
import type { ActionLog } from './log/action-log.js';
import type { Log } from './log/types.js';

export interface SharedDoorsOptions {
  /** Undefined: the configuration names no cluster. */
  readonly basis: ClusterBasis | NoBasis | undefined;
  readonly host: string;
  readonly journal: Journal;
  readonly doors: Doors;
  readonly sinks: Pick<HostSinks, 'for'>;
  readonly grants: Grants;
  readonly actions: ActionLog;
  readonly log: Log;
}

/** Before any id that a journal can hold. */
const OLDEST = '0-1';

export class SharedDoors {
  /** Absent: this host is in no cluster. */
  readonly cluster: ClusterPart | undefined;
  /** Tells that a door has another sequence now. */
  readonly changed$ = new Subject<void>();
  readonly #grants: Grants;

  constructor({ basis, host, journal, doors, sinks, grants, actions, log }: SharedDoorsOptions) {
    this.#grants = grants;
    if (basis === undefined) return;
    const { clockToleranceMs: toleranceMs, redisWait } = doors.configuration.options;
    this.cluster = partIn(basis, {
      ...{ host, journal, grants, log, clock: systemClock, version: packageVersion() },
      ...{ toleranceMs, redisWait },
      doorHere: (name) => doors.here(name),
      closes: (door, source) => sinks.for(door, source).some(({ close }) => close !== undefined),
      doorDigests: () => ('keys' in basis ? doorDigests(doors.configuration, basis.keys()) : {}),
      onOpening: (source, door) => actions.openSesame(source, door),
      onClaimed: async (name) => {
        const door = doors.here(name)?.door;
        if (door === undefined) return;
        await doors.refresh(door);
        this.changed$.next();
      },
    });
  }

  /** The journal must keep what the cluster was not told of. Undefined: there is nobody to tell. */
  get keepFrom(): string | undefined {
    return this.cluster && (this.cluster.forwarded ?? OLDEST);
  }

  /** Takes a completion to the cluster if it concerns others, else to this host's own grants. */
  complete(completion: SharedCompletion): Promise<DispatchResult | SharedResult> {
    return this.cluster !== undefined && isOfCluster(completion)
      ? this.cluster.complete(completion)
      : this.#grants.complete(completion);
  }
}
