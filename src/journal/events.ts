/**
 * The journal's event types, version 1. Every event says which host wrote it and when (wall clock,
 * milliseconds since the epoch). Nothing here can be executed and nothing holds a port (DESIGN 8,
 * 9): doors and configurations are named, and the command is looked up in the host's own files.
 */
import { z } from 'zod';

const grant = z.string().min(1);
const sink = z.string();
const wallMs = z.number().int().nonnegative();
/** When it happened, however late it was written. Absent in events of former versions. */
const happenedAtMs = wallMs.optional();
/** Counted from 1. */
const attempt = z.number().int().positive();

/** Keyed digest of a loaded configuration (HMAC, never a plain hash). */
const configuration = z.string().min(1);

/** What a sink is told of, by its name. `about`: of `failed`, what failed, such as `open exec`. */
const delivery = {
  ...{ grant, sink },
  event: z.enum(['open', 'close', 'failed']),
  about: z.string().optional(),
};

export const eventBody = z.discriminatedUnion('type', [
  /** `boot`: the kernel's random id of this boot; absent where it gives none. */
  z.object({ type: z.literal('HostStarted'), version: z.string(), boot: z.string().optional() }),
  z.object({ type: z.literal('HostStopped') }),
  z.object({
    type: z.literal('ConfigurationLoaded'),
    configuration,
    doors: z.array(z.string()),
  }),
  /** A source completed a door. What it gives is named by `grantId`. */
  z.object({
    type: z.literal('Completed'),
    door: z.string(),
    source: z.string(),
    configuration,
    /** Set for a one-time sequence: HMAC(door, sequence). */
    claim: z.string().optional(),
    /** The grant's id where the cluster gave one, the same on each of its hosts. */
    grant: grant.optional(),
    /** The host that was knocked. Set with `grant`, as `knockedAtMs` is: when, by its wall clock. */
    from: z.string().min(1).optional(),
    knockedAtMs: wallMs.optional(),
    /** The grant may be open for so long only, less than its door says: the rest is over (G1). */
    openForMs: z.number().int().positive().optional(),
  }),
  /**
   * Before anything runs (DESIGN 5). `until` is the provisional deadline (G10). `happenedAtMs` is set
   * when the journal was out of reach (T14): it happened then, was written later, and its Completed
   * may be missing.
   */
  z.object({
    type: z.literal('Opening'),
    grant,
    door: z.string(),
    source: z.string(),
    configuration,
    until: wallMs.nullable(),
    happenedAtMs: wallMs.optional(),
  }),
  /** One sink opened. `until` null: it never closes (no stop command). */
  z.object({
    type: z.literal('Opened'),
    ...{ grant, sink, happenedAtMs },
    until: wallMs.nullable(),
  }),
  /** One sink failed to open; its close still runs at `until` (G4). */
  z.object({
    type: z.literal('OpenFailed'),
    ...{ grant, sink, happenedAtMs },
    until: wallMs.nullable(),
    reason: z.string(),
  }),
  /** A knock while open moved the deadline (G2); `source` is who knocked (G9), `knockedAtMs` when. */
  z.object({
    type: z.literal('Extended'),
    grant,
    source: z.string(),
    until: wallMs,
    knockedAtMs: wallMs.optional(),
  }),
  z.object({
    type: z.literal('Closing'),
    grant,
    cause: z.enum(['deadline', 'reconciler', 'recovery', 'revoked', 'exit']),
  }),
  z.object({ type: z.literal('Closed'), ...{ grant, sink, happenedAtMs } }),
  /** One attempt to close failed; `final` when retries are used up (G5). */
  z.object({
    type: z.literal('CloseFailed'),
    ...{ grant, sink, happenedAtMs, attempt },
    final: z.boolean(),
    reason: z.string(),
  }),
  /** A Completed that was never opened: too old after a crash, on cooldown, or the door is gone. */
  z.object({ type: z.literal('Abandoned'), grant, reason: z.string() }),
  /** A sink that tells others has told of it. */
  z.object({ type: z.literal('Delivered'), ...delivery, attempt }),
  /**
   * One attempt to tell failed. `nextAtMs`: when it is tried again; absent when `final`: it is given
   * up.
   */
  z.object({
    type: z.literal('DeliveryFailed'),
    ...{ ...delivery, attempt },
    final: z.boolean(),
    reason: z.string(),
    nextAtMs: wallMs.optional(),
  }),
  /**
   * Once a minute, if anything happened (DESIGN 13): per door the attempts begun, spoiled, expired,
   * and first knocks of ignored sources; which sources came to be ignored, the first of them by
   * address (M12). Former versions write neither of the latter.
   */
  z.object({
    type: z.literal('Counted'),
    doors: z.record(
      z.string(),
      z.object({
        begun: z.number(),
        spoiled: z.number(),
        expired: z.number(),
        limited: z.number().optional(),
      }),
    ),
    ignored: z.object({ sources: z.array(z.string()), more: z.number() }).optional(),
  }),
]);

export type EventBody = z.infer<typeof eventBody>;
export type EventType = EventBody['type'];
export type EventOf<T extends EventType> = Extract<EventBody, { type: T }>;

/** An event as it stands in the journal. */
export type JournalEvent = EventBody & {
  /** Redis Stream id, `ms-seq`; covered by the event's HMAC. */
  readonly id: string;
  readonly host: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly atMs: number;
};

/** What of a Completed event names its grant. */
export interface NamesGrant {
  readonly host: string;
  /** The event's own id. */
  readonly id: string;
  readonly grant?: string | undefined;
}

/** The id of the grant that a Completed event gives: the cluster's, or the host's own. */
export function grantId({ host, id, grant: given }: NamesGrant): string {
  return given ?? `${host}-${id}`;
}
