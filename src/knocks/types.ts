import type { MatchDoor } from '../../machines/doors.js';
import type { SpoilReason } from '../../machines/knocker.js';
import type { HostView } from '../capture/types.js';

/** What happened at one door for one source. Stages are numbers, never ports (DESIGN 9). */
export interface KnockEvent {
  readonly kind:
    | 'begun'
    | 'advanced'
    | 'completed'
    | 'spoiled'
    | 'expired'
    | 'refused'
    /** The source began too many attempts and is ignored from now on; told once (M12). */
    | 'ignored'
    /** A first knock that began no attempt, because its source is ignored (M12). */
    | 'limited';
  readonly door: MatchDoor;
  readonly source: string;
  /** How many knocks of the sequence have been counted. */
  readonly stage: number;
  /** Monotonic ms by the sensor's clock; for `expired` the deadline. */
  readonly atMs: number;
  readonly reason?: SpoilReason;
}

/** Bounds on what is remembered; the oldest go first. */
export interface KnockLimits {
  /** Sources of which one packet is remembered. */
  readonly maxSources: number;
  /** Sources with a machine. */
  readonly maxMachines: number;
}

export interface KnockCounts {
  readonly dormant: number;
  readonly machines: number;
  /** Dormant records and machines that had to go for newer ones. */
  readonly dormantEvicted: number;
  readonly machinesEvicted: number;
  /** Sources that are ignored for too many attempts (M12); IPv6 by /64. */
  readonly ignored: number;
}

export interface KnocksOptions {
  readonly host: HostView;
  readonly limits: KnockLimits;
  readonly onEvent: (event: KnockEvent) => void;
}
