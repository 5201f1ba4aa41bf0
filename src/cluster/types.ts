/**
 * What hosts of a cluster tell each other through the shared Redis, and what that Redis can do for
 * them. Nothing that can be executed travels here (DESIGN 8): doors are named, and every message is
 * authenticated under the cluster's key.
 */
import type { RunOn } from '../../config/types.js';
import type { EventBody } from '../journal/events.js';
import type { JournalKey } from '../journal/key.js';

/** The first key signs; each of them is accepted, so that a new one can be rolled out. */
export interface ClusterKeys {
  readonly signing: JournalKey;
  /** One or two; the first is `signing`. */
  readonly all: readonly JournalKey[];
}

/** What hosts are asked to do, or to know. */
export type Order =
  /** A sequence of a door that is shared was completed. */
  | {
      readonly type: 'Completed';
      readonly grant: string;
      readonly door: string;
      /** Canonical address text. */
      readonly source: string;
      readonly runOn: RunOn;
      /** For a one-time sequence: its claim under each of the keys. Empty: a fixed sequence. */
      readonly claims: readonly string[];
      /** Nobody acts on it before it comes again without this: replicas are asked (`redis_wait`). */
      readonly pending?: true | undefined;
    }
  | { readonly type: 'Confirmed'; readonly grant: string }
  /** `postern close`: what is open at that door for that source ends. `host` absent: on all. */
  | {
      readonly type: 'Revoked';
      readonly door: string;
      readonly source: string;
      readonly host?: string | undefined;
    };

/** One message in the cluster journal. */
export type ClusterMessage = {
  /** Who wrote it. */
  readonly host: string;
  /** Given by the writer, `ms-seq`: a report's is that of the host's own journal. */
  readonly id: string;
  /** The writer's wall clock, milliseconds since the epoch. */
  readonly atMs: number;
} & (
  | { readonly kind: 'order'; readonly order: Order }
  /** An event of the host's own journal, forwarded in order. */
  | { readonly kind: 'report'; readonly event: EventBody }
);

/** A message as a stream entry: field names and values in turn. */
export type Sealed = readonly string[];

export interface StreamEntry {
  /** Given by the shared Redis. */
  readonly streamId: string;
  readonly fields: Sealed;
}

/** An entry of the queue that one host of many acts on, delivered to this host. */
export interface OnceEntry extends StreamEntry {
  /** How often it was delivered to anybody; 1: for the first time. */
  readonly deliveries: number;
}

/**
 * The shared Redis of one cluster, seen from one host. Commands that change something are sent once
 * and answered within 900 ms, or reject with POSTERN_E_CLUSTER: it is then unknown whether they took
 * place, but they never take place later than that second (by the clock of that Redis).
 */
export interface SharedRedis {
  readonly isReady: boolean;
  /** Called now, if it is ready, and each time the connection is there again; gives an unsubscribe. */
  onReady(listener: () => void): () => void;
  /** Called each time the connection is lost. */
  onLost(listener: () => void): () => void;

  /**
   * Makes the claims, if there are any, and appends the order to the cluster journal, both or
   * neither; `once`: to the queue as well. `spent` when any of the claims was made before for
   * another grant. Waits for the replicas of `redis_wait` and rejects when too few confirm; at the
   * latest at `untilMs` (monotonic), if that is given.
   */
  complete(
    grant: string,
    order: Sealed,
    claims: readonly string[],
    once: boolean,
    untilMs?: number,
  ): Promise<'won' | 'spent'>;
  /**
   * Appends an order; `once`: to the queue as well. With `confirmedByMs` (monotonic) it waits for the
   * replicas of `redis_wait` until then, and rejects when too few confirm.
   */
  publish(order: Sealed, once: boolean, confirmedByMs?: number): Promise<void>;
  /**
   * Appends reports of this host behind the head it knows, and moves the head to the last of them.
   * Gives the head that is there afterwards: another than asked for when `head` was not the one.
   */
  forward(
    head: string | undefined,
    reports: readonly { readonly id: string; readonly sealed: Sealed }[],
  ): Promise<string | undefined>;
  /** The id of the last report of this host in the cluster journal; undefined: none was forwarded. */
  head(): Promise<string | undefined>;

  claimed(claims: readonly string[]): Promise<readonly boolean[]>;
  /** Makes claims known that this host knows of (after the shared Redis lost them). */
  addClaims(claims: readonly { readonly claim: string; readonly grant: string }[]): Promise<void>;

  /** This host's sign of life, kept until the next one. */
  beat(text: string): Promise<void>;
  /** The last sign of life of each host by its name, as it was written. */
  beats(): Promise<ReadonlyMap<string, string>>;
  /** Forgets a host that will not come back. */
  forgetHost(host: string): Promise<void>;
  /** Milliseconds that this host's wall clock is ahead of the clock of Redis, as last measured. */
  readonly aheadMs: number;

  /** All entries of the cluster journal after that one (absent: from the oldest), in order. */
  read(after?: string, signal?: AbortSignal): AsyncIterable<StreamEntry>;
  /** Like `read`, then each new entry as it is appended, through outages, until the signal aborts. */
  follow(after: string | undefined, signal: AbortSignal): AsyncIterable<StreamEntry>;

  /**
   * Entries of the queue as they are delivered to this host, and those that another host had for
   * longer than some seconds without finishing them; through outages, until the signal aborts.
   */
  once(signal: AbortSignal): AsyncIterable<OnceEntry>;
  /**
   * Whether this host is the one that acts on the grant: the first that asks is. Waits for the
   * replicas of `redis_wait` and rejects when too few confirm; then it may ask again.
   */
  take(grant: string): Promise<boolean>;
  /** This host cannot act on the entry: any other gets it soon, and this one does not again. */
  decline(entry: OnceEntry): Promise<void>;
  /** The entry is done with: nobody gets it any more. */
  finish(entry: OnceEntry): Promise<void>;

  close(): Promise<void>;
}
