/**
 * A plain model of what knockd 0.8 does with a packet, as read in its source and confirmed against
 * the real program (test/differential). Each of postern's mended rules can be mended here alone: an
 * opening of postern that knockd lacks is explained by a rule when knockd with just that rule
 * mended has it.
 */
import type { Packet } from '../../machines/types.js';
import type { HostView } from '../../src/capture/types.js';
import { isAddressed, isKnock, type Model, type ModelDoor, satisfiesFlags } from './types.js';

export interface KnockdModel extends Model {
  packet(packet: Packet): {
    readonly opened: readonly string[];
    /** Of these, the doors where it counted a retransmitted packet as a knock of its own (M5). */
    readonly countedTwice: readonly string[];
  };
}

export type Mend = 'M3' | 'M5' | 'M8' | 'M9';

interface Attempt {
  readonly door: ModelDoor;
  readonly source: string;
  readonly beginMs: number;
  /** Counted knocks; -1 once spoiled, to be removed when the next packet is looked at. */
  stage: number;
  /** The packets it counted: M5 looks at them, and so does the promise's exception. */
  readonly counted: Packet[];
}

/**
 * knockd 0.8, with the rules in `mended` as postern has them. The times of packets are
 * milliseconds since the Unix epoch: knockd counts in whole seconds of the wall clock.
 */
export function knockdModel(
  doors: readonly ModelDoor[],
  host: HostView,
  mended: ReadonlySet<Mend> = new Set(),
): KnockdModel {
  // One list for every source and door, the oldest attempt first.
  let attempts: Attempt[] = [];

  /** Its capture filter: a knock of some door, addressed to that door, with that door's flags. */
  function isCaptured(p: Packet): boolean {
    return doors.some(
      (door) =>
        isAddressed(door, p, host) &&
        satisfiesFlags(door, p) &&
        door.knocks.some((knock) => isKnock(knock, p)),
    );
  }

  function isExpired(attempt: Attempt, p: Packet): boolean {
    if (mended.has('M8')) return p.atMs >= attempt.beginMs + attempt.door.seqTimeoutMs;
    const seconds = Math.floor(p.atMs / 1000) - Math.floor(attempt.beginMs / 1000);
    return seconds * 1000 >= attempt.door.seqTimeoutMs;
  }

  /** Finished, spoiled and expired attempts go; if the oldest does, everyone's go with it. */
  function sweep(p: Packet): void {
    const isOver = (one: Attempt) =>
      one.stage < 0 || one.stage >= one.door.knocks.length || isExpired(one, p);
    const oldest = attempts[0];
    if (!mended.has('M9') && oldest !== undefined && isOver(oldest)) attempts = [];
    else attempts = attempts.filter((one) => !isOver(one));
  }

  function judge(attempt: Attempt, p: Packet): void {
    if (!satisfiesFlags(attempt.door, p)) return;
    if (mended.has('M5') && isRetransmission(attempt, p)) return;
    if (isKnock(attempt.door.knocks[attempt.stage], p)) {
      attempt.stage += 1;
      attempt.counted.push(p);
    } else if (!(mended.has('M5') && isKnock(attempt.door.knocks[attempt.stage - 1], p))) {
      attempt.stage = -1;
    }
  }

  function begin(p: Packet, except: ReadonlySet<ModelDoor>): void {
    for (const door of doors) {
      if (except.has(door)) continue;
      if (!satisfiesFlags(door, p) || !isAddressed(door, p, host)) continue;
      if (!isKnock(door.knocks[0], p)) continue;
      attempts.push({ door, source: p.source, beginMs: p.atMs, stage: 1, counted: [p] });
    }
  }

  function packet(p: Packet): { opened: string[]; countedTwice: string[] } {
    if (!isCaptured(p)) return { opened: [], countedTwice: [] };
    sweep(p);
    const found = attempts.filter(
      (one) => one.source === p.source && isAddressed(one.door, p, host),
    );
    for (const attempt of found) judge(attempt, p);
    const completed = new Set(
      found.filter((one) => one.stage >= one.door.knocks.length).map((one) => one.door),
    );
    const before = attempts.length;
    if (mended.has('M3') || found.length === 0) begin(p, completed);
    for (const one of attempts.slice(before)) {
      if (one.door.knocks.length === 1) completed.add(one.door);
    }
    if (mended.has('M9')) {
      attempts = attempts.filter((one) => one.source !== p.source || !completed.has(one.door));
    }
    if (mended.has('M3')) attempts = attempts.filter((one) => !isOutlived(one, attempts));
    const twice = found.filter((one) => completed.has(one.door) && hasRetransmission(one));
    return {
      opened: doors.filter((door) => completed.has(door)).map((door) => door.name),
      countedTwice: twice.map((one) => one.door.name),
    };
  }

  return { packet };
}

/** M5: same TCP source port and sequence number as a packet that the attempt counted. */
function isRetransmission(attempt: Attempt, p: Packet): boolean {
  return attempt.counted.some((one) => isSameSegment(one, p));
}

function hasRetransmission(attempt: Attempt): boolean {
  return attempt.counted.some((one, index) =>
    attempt.counted.slice(index + 1).some((other) => isSameSegment(one, other)),
  );
}

function isSameSegment(one: Packet, other: Packet): boolean {
  if (one.protocol !== 'tcp' || other.protocol !== 'tcp') return false;
  return one.sourcePort === other.sourcePort && one.sequence === other.sequence;
}

/** M3: of two live attempts of a source at one door and stage, the later begun stays. */
function isOutlived(one: Attempt, attempts: readonly Attempt[]): boolean {
  if (one.stage < 0 || one.stage >= one.door.knocks.length) return false;
  return attempts
    .slice(attempts.indexOf(one) + 1)
    .some(
      (other) =>
        other.door === one.door && other.source === one.source && other.stage === one.stage,
    );
}
