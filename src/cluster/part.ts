/** A host's part in the cluster that its configuration names; also when it cannot take any. */
import { PosternError } from '../errors.js';
import type { Acceptance } from './acceptor.js';
import { Cluster, type ClusterOptions, type SharedCompletion } from './cluster.js';
import type { ClusterBasis, NoBasis } from './join.js';
import type { ClusterStatus } from './status.js';

export type SharedResult = Acceptance | { readonly kind: 'queued' };

export interface ClusterPart {
  /** The last event of this host that the cluster journal holds; undefined: none. */
  readonly forwarded: string | undefined;
  start(): Promise<void>;
  complete(completion: SharedCompletion): Promise<SharedResult>;
  revoke(door: string, source: string, host?: string): Promise<void>;
  forget(host: string): Promise<void>;
  /** @throws PosternError POSTERN_E_KEY; then the keys stay as they were */
  reloadKeys(): Promise<void>;
  status(): ClusterStatus;
  stop(): Promise<void>;
}

type PartOptions = Omit<ClusterOptions, 'name' | 'keys' | 'shared'>;

export function partIn(basis: ClusterBasis | NoBasis, options: PartOptions): ClusterPart {
  if ('because' in basis) return excluded(basis);
  const { name, keys, shared } = basis;
  const cluster = new Cluster({ ...options, name, keys, shared });
  return {
    get forwarded() {
      return cluster.forwarded;
    },
    start: () => cluster.start(),
    complete: (completion) => cluster.complete(completion),
    revoke: (door, source, host) => cluster.revoke(door, source, host),
    forget: (host) => cluster.forget(host),
    reloadKeys: () => basis.reloadKeys(),
    status: () => cluster.status(),
    stop: () => cluster.stop(),
  };
}

/** What is shared is refused; what is not never asks here. */
function excluded({ name, because }: NoBasis): ClusterPart {
  const refuse = async () => {
    throw new PosternError('POSTERN_E_CLUSTER', because);
  };
  return {
    forwarded: undefined,
    start: async () => {},
    complete: refuse,
    revoke: refuse,
    forget: refuse,
    reloadKeys: async () => {},
    status: () => ({
      ...{ name, state: 'refused', reason: because, behind: 0, rejected: 0 },
      ...{ hosts: [], grants: [] },
    }),
    stop: async () => {},
  };
}

/** Whether a completion concerns other hosts of a cluster: its door, or its one-time sequence. */
export function isOfCluster({ door, claim }: SharedCompletion): boolean {
  return door.runOn !== 'here' || claim !== undefined;
}
