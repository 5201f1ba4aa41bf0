/** What a host needs to take part in a cluster: its keys, the shared Redis, the claims it knows. */
import type { Options } from '../../config/types.js';
import type { ClaimBook } from '../claims.js';
import { reasonOf } from '../errors.js';
import type { JournalKey } from '../journal/key.js';
import type { Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';
import { loadRedisTarget } from '../redis/target.js';
import { ClusterClaimBook } from './claim-book.js';
import { loadClusterKeys } from './keys.js';
import { openSharedRedis } from './shared-redis.js';
import type { ClusterKeys, SharedRedis } from './types.js';

export interface ClusterBasis {
  readonly name: string;
  readonly keys: () => ClusterKeys;
  readonly shared: SharedRedis;
  readonly claims: ClaimBook;
  /**
   * Reads the key file again, since keys are replaced while hosts run.
   * @throws PosternError POSTERN_E_KEY; then the keys stay as they were
   */
  reloadKeys(): Promise<void>;
}

export interface BasisOptions {
  readonly options: Options;
  readonly host: string;
  /** The host's own key. */
  readonly key: JournalKey;
  readonly journal: Journal;
  readonly log: Log;
}

/** Why this host takes no part, though its configuration names a cluster. */
export interface NoBasis {
  readonly name: string;
  readonly because: string;
}

/**
 * Undefined: the configuration names no cluster. A key or a certificate that cannot be used keeps
 * this host out of the cluster, but not from opening its own doors: nobody is locked out by it.
 */
export async function clusterBasis({
  options,
  host,
  key,
  journal,
  log,
}: BasisOptions): Promise<ClusterBasis | NoBasis | undefined> {
  const { cluster: name, redis: url, clusterKeyFile, redisWait, journalLength } = options;
  if (name === undefined || url === undefined) return undefined;
  try {
    let current = await loadClusterKeys(clusterKeyFile);
    const keys = () => current;
    const target = await loadRedisTarget({ url, ...filesOf(options) });
    const shared = openSharedRedis({ target, cluster: name, host, journalLength, redisWait, log });
    return {
      name,
      keys,
      shared,
      claims: new ClusterClaimBook({ key, keys, journal, shared, log }),
      async reloadKeys() {
        current = await loadClusterKeys(clusterKeyFile);
      },
    };
  } catch (error) {
    const because = reasonOf(error);
    log.error(
      { cluster: name, reason: because },
      'THIS HOST TAKES NO PART IN THE CLUSTER: shared doors stay shut',
    );
    return { name, because };
  }
}

function filesOf(options: Options) {
  const { redisPasswordFile, redisCaFile, redisCertFile, redisKeyFile } = options;
  return {
    ...(redisPasswordFile !== undefined && { passwordFile: redisPasswordFile }),
    ...(redisCaFile !== undefined && { caFile: redisCaFile }),
    ...(redisCertFile !== undefined && { certFile: redisCertFile }),
    ...(redisKeyFile !== undefined && { keyFile: redisKeyFile }),
  };
}
