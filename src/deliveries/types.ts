/**
 * What sinks that tell others are told, and by whom.
 *
 * delivery  one thing that one sink is to be told of: a grant opened or closed at it, or something
 *           of the grant failed. Its name stays the same over attempts and restarts.
 * owed      not yet told, and not given up
 * attempt   one try to tell, counted from 1
 */
import type { Redis } from 'ioredis';
import type { Door } from '../../config/types.js';
import type { SinkEvent } from '../../sinks/settings.js';
import type { Sink, SinkCall } from '../../sinks/types.js';
import type { Clock } from '../clock.js';
import type { ObserveGrant } from '../jobs/record.js';
import type { DoorCatalog } from '../jobs/types.js';
import type { JournalKey } from '../journal/key.js';
import type { Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';

/** What tells a delivery from all others; it is owed once. */
export interface DeliveryName {
  readonly grant: string;
  readonly sink: string;
  readonly event: SinkEvent;
  /** Of `failed`: what failed, such as `open exec`. */
  readonly about?: string | undefined;
}

/** Something that a sink is to be told of. */
export interface Delivery {
  readonly name: DeliveryName;
  /** The same at every attempt, but for the grant's `leftMs`, which is set when it is made. */
  readonly call: SinkCall;
  /** As the configuration says under which the grant was opened. */
  readonly door: Door;
  /** Keyed digest of that configuration. */
  readonly configuration: string;
  /** Stream id of the event that began the grant: a trim must leave it and all that follow. */
  readonly eventId: string;
}

/** What is still to be told to one sink, for `postern status`. */
export interface DeliveryStatus {
  readonly sink: string;
  readonly owed: number;
  /** Seconds until the next attempt; 0 while one is being made, or is due. */
  readonly nextSeconds: number;
  /** Why the latest attempt that failed did; absent: none has, of those that are owed. */
  readonly reason?: string;
}

export interface DeliveriesOptions {
  readonly journal: Journal;
  /** A new connection to the Redis of the queue; its role is `worker`. */
  readonly connect: () => Redis;
  readonly key: JournalKey;
  /** This host's name, as the journal knows it. */
  readonly host: string;
  /** Finds the door of a grant of an earlier run. */
  readonly catalog: DoorCatalog;
  /**
   * A door's sinks that tell others, as they are, and those that act and have `failed`; more do no
   * harm. By their names, in the configuration of now: asked for at each attempt.
   */
  readonly sinksOf: (door: Door) => readonly Sink[];
  readonly log: Log;
  readonly clock?: Clock;
  /** Milliseconds that one attempt may take; for tests. */
  readonly attemptMs?: number;
}

/** Tells others of grants, at least once each, however long that takes (DESIGN 14). */
export interface Deliveries {
  /**
   * What the arbiter runs for a sink that tells others: it opens and closes at once, and what there
   * is to tell is owed from then on. A sink that acts is given back as it is.
   */
  handOver(sink: Sink): Sink;
  /** To be given to the grants: by these events it knows what to tell. */
  readonly observe: ObserveGrant;
  /**
   * Takes over from the journal what an earlier run left owed, and begins. Call before the grants
   * recover. Rejects with POSTERN_E_JOURNAL when the journal cannot be read.
   */
  recover(): Promise<void>;
  /** Stream id of the oldest event that something owed needs: a trim must leave it. */
  oldest(): string | undefined;
  /** Configuration digests that something owed refers to. */
  referenced(): ReadonlySet<string>;
  status(): readonly DeliveryStatus[];
  /** Jobs since the start that did not verify: somebody writes to our Redis (T5). */
  readonly rejectedJobs: number;
  /** Lets go within 200 ms: what is owed is taken up by the next start. */
  stop(): Promise<void>;
}
