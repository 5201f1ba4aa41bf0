import type { EventBody, JournalEvent } from './events.js';

/** A range of the journal; ids are Redis Stream ids (`ms-seq`). */
export interface ReadOptions {
  /** Exclusive. Absent: from the oldest event. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/** An event on its way into the journal. */
export interface SentEvent {
  /** With its id, which the writer chose. */
  readonly event: JournalEvent;
  /** Resolves once it is durable; rejects as `append` does. */
  readonly durable: Promise<void>;
}

/** A one-time sequence that was used up somewhere in the cluster, and by which grant. */
export interface ClusterClaim {
  readonly claim: string;
  readonly grant: string;
}

/** The append-only event log of one host. What `append` resolved is durable. */
export interface Journal {
  /** Sends an event, behind all that were sent before, and does not wait for it. */
  send(body: EventBody): SentEvent;
  /** Rejects with POSTERN_E_JOURNAL when the event was not made durable within a second. */
  append(body: EventBody): Promise<JournalEvent>;
  /**
   * Uses up a one-time sequence and appends its Completed event, in one Lua script. Undefined when
   * the claim was made before.
   */
  claim(claim: string, body: EventBody): Promise<JournalEvent | undefined>;
  /** Which of the claims have been made; kept outside the trimmed stream. */
  claimed(claims: readonly string[]): Promise<readonly boolean[]>;
  /**
   * Appends the Completed event of a grant that the cluster gave and uses up its claim, if it has
   * one, in one Lua script. Undefined when this host accepted the grant before, which it knows until
   * a day after `untilMs` (wall clock), whatever was trimmed. A claim that was made before is no
   * obstacle: the cluster has decided. Rejects as `append` does; then it is unknown whether the grant
   * was accepted, and trying again may say that it was, though nothing was done about it.
   */
  accept(
    grant: string,
    untilMs: number,
    body: EventBody,
    claim?: string,
  ): Promise<JournalEvent | undefined>;
  /** Keeps claims of the cluster, for ever. What was kept for another grant stays as it was. */
  remember(claims: readonly ClusterClaim[]): Promise<void>;
  /** All claims of the cluster that were kept, in no order; one may come twice. */
  rememberedClaims(): AsyncIterable<ClusterClaim>;
  /** Which of these claims of the cluster were kept. */
  knows(claims: readonly string[]): Promise<readonly boolean[]>;
  /** All events in order; an event that does not verify or parse is skipped, counted and logged. */
  read(options?: ReadOptions): AsyncIterable<JournalEvent>;
  /** Like `read`, then every new event as it is appended, until the signal aborts. */
  follow(options: ReadOptions & { readonly signal: AbortSignal }): AsyncIterable<JournalEvent>;
  /** Cuts the journal to its length, but never an event at or after `keepFrom` (an open grant). */
  trim(keepFrom: string | undefined): Promise<void>;
  /** Events that did not verify or parse since the start. */
  readonly rejected: number;
}
