import type { Door } from '../../config/types.js';
import type { SinkGrant } from '../../sinks/types.js';

/** A source completed a door's sequence; comes from the knockers. */
export interface Completion {
  readonly door: Door;
  /** Keyed digest of the configuration that the door stands in. */
  readonly configuration: string;
  readonly source: string;
  /** Set for a one-time sequence. */
  readonly claim?: string;
}

/** A completion that the cluster has decided about: this host is to open for it. */
export interface AcceptedOrder {
  /** Given by the cluster; the same on each host that opens. */
  readonly grant: string;
  /** As this host's own configuration has it, whose keyed digest is `configuration`. */
  readonly door: Door;
  readonly configuration: string;
  /** Canonical address text. */
  readonly source: string;
  /** The host that was knocked, and when, by its wall clock (ms since the epoch). */
  readonly from: string;
  readonly knockedAtMs: number;
  /** How long the door may be open for it, counted as `cmdTimeoutMs` is, which is the most. */
  readonly openForMs: number;
  /** Until when, and a day more, a repetition of it is known as one: wall clock ms. */
  readonly guardUntilMs: number;
  /** This host's own claim of a one-time sequence, to be used up with it. */
  readonly claim?: string;
}

/**
 * Finds the door that a grant was opened under: in the running configuration, or in one kept in
 * the state folder because a grant still refers to it (G7).
 */
export interface DoorCatalog {
  find(door: string, configuration: string): Promise<Door | undefined>;
}

/** One grant that is not closed yet, for `postern status`. */
export interface GrantStatus {
  readonly grant: string;
  readonly door: string;
  readonly source: string;
  readonly state: 'opening' | 'open' | 'closing' | 'failed';
  /** Seconds left until it closes; null while it has no deadline. */
  readonly leftSeconds: number | null;
  /** The host that was knocked, where that is another one. */
  readonly from?: string;
  /** It opened while the journal was out of reach, which does not know of it yet (T14). */
  readonly unjournalled?: true;
}

/** A grant that is open now, for a sink to restore its own memory from (T15). */
export interface LiveGrant extends SinkGrant {
  /** As the configuration says under which it was opened. */
  readonly opened: Door;
  /** Names of the sinks that have opened it. */
  readonly sinks: readonly string[];
}

/** What became of a completion, for the log. */
export type DispatchResult =
  | { readonly kind: 'opening'; readonly grant: string; readonly unjournalled?: true }
  | { readonly kind: 'extended'; readonly grant: string }
  /** `over`: no time is left to open for. */
  | { readonly kind: 'ignored'; readonly reason: 'reknock' | 'cooldown' | 'over' }
  /** This host accepted that grant before. */
  | { readonly kind: 'repeated' }
  /** The one-time sequence was claimed before. */
  | { readonly kind: 'spent' };

/** Everything right of the journal in the picture: opens, extends, closes, recovers. */
export interface Grants {
  /** Folds the journal and settles what a crash or a stop left behind. Call before capture. */
  recover(): Promise<void>;
  /** Rejects with POSTERN_E_JOURNAL when the completion was not made durable (nothing runs). */
  complete(completion: Completion): Promise<DispatchResult>;
  /**
   * Opens for a completion that the cluster has decided about, once for each grant, whoever asks and
   * however often, across restarts. Rejects with POSTERN_E_JOURNAL when it was not made durable:
   * nothing runs then, whatever the door (T14 is not for these), and it may be tried again.
   */
  accept(order: AcceptedOrder): Promise<DispatchResult>;
  /**
   * Closes what is open at the door of that name for that source, or for whomever where the door
   * opens for everyone (G9), and keeps from opening what waits for it. With `before` (wall clock ms
   * of the host that was knocked) only what was last knocked for at that time or earlier. Resolves
   * with how many of them have ended, when all have, or after 5 s.
   */
  revoke(door: string, source: string, before?: number): Promise<number>;
  status(): readonly GrantStatus[];
  /** What is open and is not being closed. */
  live(): readonly LiveGrant[];
  /** Jobs since the start that did not verify: somebody writes to our Redis (T5). */
  readonly rejectedJobs: number;
  /** Configuration digests that live grants refer to. */
  referenced(): ReadonlySet<string>;
  /** Closes every open grant now (`close_on_exit`, G6). */
  closeAll(cause: 'exit' | 'revoked'): Promise<void>;
  /** Lets go: workers and queues end, grants stay open until the next start. */
  stop(): Promise<void>;
}
