/**
 * Grants of the cluster that this process accepted. The journal knows them too, and for longer; but
 * a Redis that forgets, or is made to, must not open a door a second time (T5).
 */
export interface Accepted {
  has(grant: string): boolean;
  /** `untilMs`: wall clock ms when its time is over. */
  add(grant: string, untilMs: number): void;
  /** Drops those whose time was over a while ago. */
  purge(wallMs: number): void;
}

/** As the journal does: clocks differ, and are set. */
const KNOWN_AFTER_MS = 86_400_000;

export function createAccepted(): Accepted {
  const untilMs = new Map<string, number>();
  return {
    has: (grant) => untilMs.has(grant),
    add: (grant, until) => void untilMs.set(grant, until),
    purge(wallMs) {
      for (const [grant, until] of untilMs) {
        if (until + KNOWN_AFTER_MS < wallMs) untilMs.delete(grant);
      }
    },
  };
}
