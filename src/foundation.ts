/** What everything else of a running postern stands on: its state folder, its Redis, its journal. */
import { readFileSync } from 'node:fs';
import type { Options } from '../config/types.js';
import type { Cleanup } from './cleanup.js';
import { packageVersion } from './client/version.js';
import { type ControlServer, takeControl } from './control/server.js';
import { type JournalKey, loadKey } from './journal/key.js';
import { openRedisJournal, type RedisJournal } from './journal/redis-journal.js';
import type { Log } from './log/types.js';
import type { RedisTarget } from './redis/connect.js';
import { type PrivateRedis, startPrivateRedis } from './redis/private-server.js';
import { prepareStateDir, type StateDir } from './state-dir.js';

export interface FoundationOptions {
  readonly options: Options;
  readonly stateDir: string;
  readonly host: string;
  readonly log: Log;
  /** Ends the wait for another postern that still has the state folder. */
  readonly signal: AbortSignal;
}

export interface Foundation {
  readonly state: StateDir;
  readonly control: ControlServer;
  readonly key: JournalKey;
  /** Absent with `local_redis`. */
  readonly redis: PrivateRedis | undefined;
  readonly target: RedisTarget;
  readonly journal: RedisJournal;
}

/**
 * Takes the state folder, starts Redis, opens the journal and writes HostStarted. What was started
 * is in `cleanup`, also when this throws.
 * @throws PosternError with the code of the room that could not start
 */
export async function layFoundation(
  { options, stateDir, host, log, signal }: FoundationOptions,
  cleanup: Cleanup,
): Promise<Foundation> {
  const { journalLength, localRedis } = options;
  // The state folder is ours from here on.
  const state = await prepareStateDir(stateDir);
  const control = await takeControl(state.controlSocket, signal);
  cleanup.add('the control socket', () => control.stop());
  const key = await loadKey(state.path);

  const redis =
    localRedis === undefined ? await startPrivateRedis({ dir: state.redis, log }) : undefined;
  if (redis !== undefined) cleanup.add('the private redis-server', () => redis.stop());
  const target = redis === undefined ? { url: localRedis ?? '' } : { socket: redis.socket };

  const journal = await openRedisJournal({ target, host, key, length: journalLength, log });
  cleanup.add('the journal', () => journal.close());
  await journal.append({ type: 'HostStarted', version: packageVersion(), ...bootId() });
  cleanup.add('the journal of this run', async () => {
    await journal.append({ type: 'HostStopped' });
  });
  return { state, control, key, redis, target, journal };
}

/** The kernel's random id of this boot; a container without /proc/sys has none. */
function bootId(): { readonly boot?: string } {
  try {
    return { boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
  } catch {
    return {};
  }
}
