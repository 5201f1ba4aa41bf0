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
  // Backwards, so that of equal ones the first stays.
  const known = new Map(previous.toReversed().map(({ match }) => [JSON.stringify(match), match]));
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
    return [{ door, match: known.get(JSON.stringify(match)) ?? match }];
  });
}
