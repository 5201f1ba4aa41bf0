/** What `postern check` says of the files by which this host takes part in its cluster. */
import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { findingsOf, WHOLE_FILE } from '../../config/diagnostics.js';
import type { Places } from '../../config/parse.js';
import type { Configuration, Diagnostic } from '../../config/types.js';
import { loadClusterKeys } from '../cluster/keys.js';
import { reasonOf } from '../errors.js';
import { loadRedisTarget } from '../redis/target.js';

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
    const foreign = await asyncFilter(paths, isForAnother);
    for (const path of foreign)
      notes.push(`${file}: note: ${path} is another user's; check as the user that runs postern`);
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

async function asyncFilter<T>(
  all: readonly T[],
  wanted: (one: T) => Promise<boolean>,
): Promise<readonly T[]> {
  const verdicts = await Promise.all(all.map(wanted));
  return all.filter((_, index) => verdicts[index]);
}

async function isForAnother(path: string): Promise<boolean> {
  try {
    if (isOfAnother(await stat(path))) return true;
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await file.close();
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES';
  }
}

/** Root may read everything, but would refuse what belongs to the user that postern runs as. */
function isOfAnother({ uid }: Stats): boolean {
  return uid !== 0 && process.geteuid?.() === 0;
}
