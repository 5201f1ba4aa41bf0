/** What `postern check` says of the files by which this host takes part in its cluster. */
import { findingsOf, WHOLE_FILE } from '../../config/diagnostics.js';
import type { Places } from '../../config/parse.js';
import type { Configuration, Diagnostic } from '../../config/types.js';
import { loadClusterKeys } from '../cluster/keys.js';
import { reasonOf } from '../errors.js';
import { loadRedisTarget } from '../redis/target.js';
import { foreignFiles, foreignNote } from './foreign-files.js';

export interface ClusterCheck {
  readonly diagnostics: readonly Diagnostic[];
  /** What was not looked at, and why; a line each. */
  readonly notes: readonly string[];
}

/**
 * Reads key, password and certificates as the daemon would. A file that only another user may read,
 * or that is right for another user alone, is passed over with a note: postern may run as that one.
 */
export async function checkCluster(
  { file, options }: Configuration,
  places: Places,
): Promise<ClusterCheck> {
  const { cluster, redis: url, clusterKeyFile } = options;
  if (cluster === undefined || url === undefined) return { diagnostics: [], notes: [] };
  const findings = findingsOf(file);
  const notes: string[] = [];
  const look = async (
    directive: string,
    paths: readonly string[],
    read: () => Promise<unknown>,
  ) => {
    const foreign = await foreignFiles(paths);
    for (const path of foreign) notes.push(foreignNote(file, path));
    if (foreign.length > 0) return;
    const at = places.get('options');
    const place = at?.get(directive) ?? at?.get('cluster') ?? WHOLE_FILE;
    await read().catch((error: unknown) =>
      findings.warning('POSTERN_W_CLUSTER', place, reasonOf(error)),
    );
  };
  const { redisPasswordFile: passwordFile, redisCaFile: caFile } = options;
  const { redisCertFile: certFile, redisKeyFile: keyFile } = options;
  const ofRedis = [passwordFile, caFile, certFile, keyFile].filter((path) => path !== undefined);
  await look('cluster_key_file', [clusterKeyFile], () => loadClusterKeys(clusterKeyFile));
  await look('redis', ofRedis, () =>
    loadRedisTarget({ url, passwordFile, caFile, certFile, keyFile }),
  );
  return { diagnostics: findings.list, notes };
}
