/** Warnings about sequences that are easy to hit by chance, and doors that get in each other's way. */
import type { Knock } from '../machines/types.js';
import type { Findings, Place } from './diagnostics.js';
import { sameKnock } from './sequence.js';
import type { Door } from './types.js';
import type { Locate } from './warnings.js';

const FEWEST_KNOCKS = 3;

/** With no gap larger than this, a scan passes few other ports on its way through the sequence. */
const SMALL_GAP = 10;

export function warnOfOrder(
  door: Door,
  knocks: readonly Knock[],
  place: Place,
  findings: Findings,
): void {
  if (knocks.length < FEWEST_KNOCKS) {
    const count = knocks.length === 1 ? 'one knock' : `${knocks.length} knocks`;
    findings.warning(
      'POSTERN_W_SHORT_SEQUENCE',
      place,
      `door [${door.name}] takes only ${count}; a port scan may well open it: use three or more`,
    );
  }
  const direction = directionOf(knocks);
  if (direction === undefined) return;
  const message = smallGaps(knocks)
    ? `DANGER: the ports of door [${door.name}] ${direction} in small steps; a port scan in that ` +
      'order hits them one after the other with little between: choose ports far apart, up and down'
    : `the ports of door [${door.name}] ${direction}, as in a port scan; mix ups and downs`;
  findings.warning('POSTERN_W_ORDERED_SEQUENCE', place, message);
}

function gaps(knocks: readonly Knock[]): readonly number[] {
  return knocks.slice(1).map(({ port }, index) => port - (knocks[index]?.port ?? port));
}

function directionOf(knocks: readonly Knock[]): 'rise' | 'fall' | undefined {
  const steps = gaps(knocks);
  if (steps.length === 0) return undefined;
  if (steps.every((step) => step > 0)) return 'rise';
  return steps.every((step) => step < 0) ? 'fall' : undefined;
}

function smallGaps(knocks: readonly Knock[]): boolean {
  return gaps(knocks).every((step) => Math.abs(step) <= SMALL_GAP);
}

/**
 * One door's sequence is the same as another's, begins it, or lies within it. Of each door only the
 * first such other is named: one is reason enough to choose another sequence.
 */
export function warnOfOverlaps(doors: readonly Door[], locate: Locate, findings: Findings): void {
  for (const [index, door] of doors.entries()) {
    for (const other of doors.slice(index + 1)) {
      const [shorter, longer] = lengthOf(door) <= lengthOf(other) ? [door, other] : [other, door];
      const overlap = mayMeet(door, other) ? overlapOf(shorter, longer) : undefined;
      if (overlap !== undefined) {
        findings.warning('POSTERN_W_OVERLAP', locate(shorter, 'Sequence'), overlap);
        break;
      }
    }
  }
}

function lengthOf(door: Door): number {
  return knocksOf(door).length;
}

function knocksOf({ sequence }: Door): readonly Knock[] {
  return sequence.kind === 'fixed' ? sequence.knocks : [];
}

/** Doors for different targets never concern the same packet. */
function mayMeet(one: Door, other: Door): boolean {
  return one.target === undefined || other.target === undefined || one.target === other.target;
}

function overlapOf(shorter: Door, longer: Door): string | undefined {
  const part = knocksOf(shorter);
  const whole = knocksOf(longer);
  if (part.length === 0) return undefined;
  const at = whole.findIndex((_, start) =>
    part.every((knock, i) => sameKnock(knock, whole[start + i])),
  );
  if (at < 0) return undefined;
  if (part.length === whole.length)
    return `doors [${shorter.name}] and [${longer.name}] have the same sequence; both open at once`;
  const how = at === 0 ? 'is how that of' : 'lies within that of';
  const rest = at === 0 ? ' begins' : '';
  return (
    `the sequence of door [${shorter.name}] ${how} door [${longer.name}]${rest}; ` +
    'knocking on the latter opens both'
  );
}
