/** The doors as the matcher sees them, made from the configuration's. */
import type { Door } from '../config/types.js';
import type { MatchDoor } from '../machines/doors.js';
import type { Knock } from '../machines/types.js';

/** A door of the configuration and what is listened for on its behalf. */
export interface ListeningDoor {
  readonly door: Door;
  readonly match: MatchDoor;
}

/**
 * Doors that listen. `sequenceOf` gives the current sequence, or none for a one-time door that is
 * used up. A door that did not change keeps its `MatchDoor`, so its attempts live on (G7).
 */
export function listeningDoors(
  doors: readonly Door[],
  sequenceOf: (door: Door) => readonly Knock[] | undefined,
  previous: readonly ListeningDoor[],
): readonly ListeningDoor[] {
  return doors.flatMap((door) => {
    const knocks = sequenceOf(door);
    if (knocks === undefined) return [];
    const { name, seqTimeoutMs, tcpFlags, target } = door;
    const match: MatchDoor = {
      name,
      knocks,
      seqTimeoutMs,
      tcpFlags,
      ...(target === undefined ? {} : { target }),
    };
    const text = JSON.stringify(match);
    const same = previous.find((old) => JSON.stringify(old.match) === text);
    return [{ door, match: same?.match ?? match }];
  });
}
