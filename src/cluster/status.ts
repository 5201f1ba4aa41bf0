/** The cluster as one host sees it, for `postern status`. */
export interface ClusterStatus {
  readonly name: string;
  /**
   * `joining`: it catches up. `away`: the shared Redis is out of reach. `refused`: this host takes no
   * part, and `reason` says why (a wrong key, another host of the same name).
   */
  readonly state: 'joining' | 'joined' | 'away' | 'refused';
  readonly reason?: string;
  /** Events of this host that the cluster journal does not hold yet. */
  readonly behind: number;
  readonly hosts: readonly ClusterHostStatus[];
  /** What is open anywhere, this host included. */
  readonly grants: readonly ClusterGrantStatus[];
  /** Messages that did not verify, came twice, or were too old, since the start. */
  readonly rejected: number;
}

export interface ClusterHostStatus {
  readonly host: string;
  /** `stopped`: it said so when it ended. `away`: it has given no sign of life for some seconds. */
  readonly state: 'alive' | 'away' | 'stopped';
  readonly isSelf: boolean;
  /** Seconds since its last sign of life. */
  readonly seenSecondsAgo: number;
  readonly version: string;
  /** Its wall clock is ahead of ours by so much; only when that is beyond `clock_tolerance`. */
  readonly clockAheadMs?: number;
  /** Doors that it has and we do not, or the other way round. */
  readonly doorsMissingHere: readonly string[];
  readonly doorsMissingThere: readonly string[];
  /** Doors that both have, but not with the same sequence or settings. */
  readonly doorsThatDiffer: readonly string[];
}

export interface ClusterGrantStatus {
  readonly grant: string;
  /** Where it is open. */
  readonly host: string;
  readonly door: string;
  readonly source: string;
  readonly state: 'opening' | 'open' | 'closing' | 'failed';
  /** Seconds left by that host's clock; null: no deadline. Negative: it should be closed by now. */
  readonly leftSeconds: number | null;
}
