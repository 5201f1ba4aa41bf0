/** The claims of a host in a cluster: its own, those it remembers of others, the shared Redis's. */
import type { Knock } from '../../machines/types.js';
import type { ClaimBook, SequenceClaims } from '../claims.js';
import { reasonOf } from '../errors.js';
import { claimOf } from '../journal/claims.js';
import type { JournalKey } from '../journal/key.js';
import type { Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';
import { clusterClaims } from './claims.js';
import type { ClusterKeys, SharedRedis } from './types.js';

export interface ClaimBookOptions {
  /** The host's own key. */
  readonly key: JournalKey;
  readonly keys: () => ClusterKeys;
  readonly journal: Pick<Journal, 'claimed' | 'knows' | 'remember'>;
  readonly shared: Pick<SharedRedis, 'isReady' | 'claimed' | 'addClaims'>;
  readonly log: Log;
}

/** Stands for the grant of a claim that is told again and whose grant nobody knows any more. */
const TOLD_AGAIN = 'told-again';

export class ClusterClaimBook implements ClaimBook {
  constructor(private readonly options: ClaimBookOptions) {}

  of(door: string, knocks: readonly Knock[]): SequenceClaims {
    const { key, keys } = this.options;
    return { own: claimOf(key, door, knocks), cluster: clusterClaims(keys(), door, knocks) };
  }

  /**
   * A sequence was used when any of its claims is known to anybody. Without the shared Redis this
   * host's own knowledge has to do: nothing is opened before the shared Redis was asked.
   */
  async used(sequences: readonly SequenceClaims[]): Promise<readonly boolean[]> {
    const { journal } = this.options;
    const claims = sequences.flatMap(({ cluster }) => cluster);
    const [own, remembered, shared] = await Promise.all([
      journal.claimed(sequences.map((each) => each.own)),
      journal.knows(claims),
      this.#askShared(claims),
    ]);
    let at = 0;
    const used: boolean[] = [];
    const missingHere: string[] = [];
    const missingThere: string[] = [];
    for (const [index, { cluster }] of sequences.entries()) {
      const from = at;
      at += cluster.length;
      const isKnown = (known: readonly boolean[] | undefined) =>
        known?.slice(from, at).includes(true) === true;
      const isUsed = own[index] === true || isKnown(remembered) || isKnown(shared);
      used.push(isUsed);
      if (!isUsed) continue;
      missingHere.push(...cluster.filter((_, offset) => remembered[from + offset] !== true));
      missingThere.push(...cluster.filter((_, offset) => shared?.[from + offset] === false));
    }
    await this.#tell(missingHere, missingThere);
    return used;
  }

  /** Undefined: it cannot be asked now. */
  async #askShared(claims: readonly string[]): Promise<readonly boolean[] | undefined> {
    const { shared, log } = this.options;
    if (!shared.isReady || claims.length === 0) return undefined;
    try {
      return await shared.claimed(claims);
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'the cluster cannot be asked for its claims');
      return undefined;
    }
  }

  /** Used under one key, in one place: known under every key, in every place (a key is replaced). */
  async #tell(here: readonly string[], there: readonly string[]): Promise<void> {
    const { journal, shared, log } = this.options;
    const known = (claims: readonly string[]) =>
      claims.map((claim) => ({ claim, grant: TOLD_AGAIN }));
    try {
      if (here.length > 0) await journal.remember(known(here));
      if (there.length > 0) await shared.addClaims(known(there));
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'a claim could not be told again');
    }
  }
}
