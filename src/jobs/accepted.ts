/**
 * Grants of the cluster that this host accepted, as far as this process knows. The journal knows them
 * too, and for longer; but a Redis that forgets, or is made to, must not open a door a second time
 * (T5).
 */
export interface Accepted {
  has(grant: string): boolean;
  /** `untilMs`: wall clock ms when its time is over. */
  add(grant: string, untilMs: number): void;
  /** Whether it was accepted is unknown: the journal gave no answer at that time (wall clock ms). */
  doubt(grant: string, atMs: number): void;
  /** Since when there is a doubt about it, the first one; undefined: there is none. */
  doubtedSince(grant: string): number | undefined;
  /** Drops those whose time was over a while ago. */
  purge(wallMs: number): void;
}

/** As the journal does: clocks differ, and are set. */
const KNOWN_AFTER_MS = 86_400_000;

export function createAccepted(): Accepted {
  const known = new Map<string, number>();
  const doubts = new Map<string, number>();
  return {
    has: (grant) => known.has(grant),
    add(grant, untilMs) {
      known.set(grant, untilMs);
      doubts.delete(grant);
    },
    doubt(grant, atMs) {
      if (!known.has(grant) && !doubts.has(grant)) doubts.set(grant, atMs);
    },
    doubtedSince: (grant) => doubts.get(grant),
    purge(wallMs) {
      for (const grants of [known, doubts]) {
        for (const [grant, atMs] of grants) {
          if (atMs + KNOWN_AFTER_MS < wallMs) grants.delete(grant);
        }
      }
    },
  };
}
