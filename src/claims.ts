/** Which one-time sequences were used, as far as this host can know. */
import type { Knock } from '../machines/types.js';
import { claimOf } from './journal/claims.js';
import type { JournalKey } from './journal/key.js';
import type { Journal } from './journal/types.js';

/** What stands for one sequence of a door wherever its use is recorded. */
export interface SequenceClaims {
  /** In this host's own journal. */
  readonly own: string;
  /** In the cluster: one under each of its keys. Empty: this host stands alone. */
  readonly cluster: readonly string[];
}

export interface ClaimBook {
  of(door: string, knocks: readonly Knock[]): SequenceClaims;
  /** Which of the sequences were used. Rejects when that cannot be known now. */
  used(sequences: readonly SequenceClaims[]): Promise<readonly boolean[]>;
}

/** The claims of a host that stands alone: its journal's. */
export function ownClaims(key: JournalKey, journal: Pick<Journal, 'claimed'>): ClaimBook {
  return {
    of: (door, knocks) => ({ own: claimOf(key, door, knocks), cluster: [] }),
    used: (sequences) => journal.claimed(sequences.map(({ own }) => own)),
  };
}
