/**
 * Reads the cluster journal: all of it before this host captures, then each message as it comes. What
 * other hosts used up is taken in, doors that run everywhere are opened here, revoked ones closed.
 * Everything may come twice, from a replay or a race with the knock itself, and is acted on once.
 */
import { isShared } from '../../config/commands.js';
import type { Clock } from '../clock.js';
import { reasonOf } from '../errors.js';
import { familyOf } from '../jobs/keys.js';
import { ABANDON_AFTER_MS } from '../jobs/reconciler.js';
import type { Grants } from '../jobs/types.js';
import { compareIds } from '../journal/ids.js';
import type { Log } from '../log/types.js';
import type { Acceptor, DoorHere } from './acceptor.js';
import { Novelty } from './novelty.js';
import { type CompletedOrder, isRevoked, type RevokedOrder, type Written } from './orders.js';
import { isStreamId } from './stream-ids.js';
import type { ClusterMessage, SharedRedis, StreamEntry } from './types.js';
import type { ClusterView } from './view.js';

export interface FollowerOptions {
  readonly shared: Pick<SharedRedis, 'read' | 'follow' | 'aheadMs'>;
  /** The message of an entry, or why it is none. */
  readonly unseal: (entry: StreamEntry) => ClusterMessage | string;
  readonly host: string;
  readonly acceptor: Acceptor;
  readonly grants: Pick<Grants, 'revoke'>;
  readonly doorHere: (name: string) => DoorHere | undefined;
  readonly view: Pick<ClusterView, 'apply'>;
  /** Takes in claims that were made; resolves when this host will not forget them. Never rejects. */
  readonly takeClaims: (orders: readonly CompletedOrder[]) => Promise<void>;
  readonly toleranceMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly onRejected: (why: string) => void;
  /** A door opens here for a knock on another host. */
  readonly onOpening: (source: string, door: string) => void;
  /** Whether the knock itself is bringing this grant to us right now. */
  readonly isUnderway: (grant: string) => boolean;
}

/** So long after the journal was replaced, hosts may tell again what it lost. */
const TOLD_AGAIN_MS = 30_000;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #news: Novelty;
  /** What was read while catching up and is not done yet: it may be interrupted. */
  #used: CompletedOrder[] = [];
  readonly #open = new Map<string, Written<CompletedOrder>>();
  #last: string | undefined;
  /** The furthest place that was read. */
  #furthest = '0-0';
  /** When an earlier place came after it, monotonic ms. */
  #replacedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#news = new Novelty(options.clock);
  }

  /**
   * Reads what there is, then opens what is still open elsewhere, with the time that remains.
   * Rejects when the shared Redis is lost meanwhile; it can be called again.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { shared } = this.#options;
    let unread = 0;
    for await (const entry of shared.read(this.#last, signal)) {
      this.#last = entry.streamId;
      const message = this.#take(entry, () => {
        unread += 1;
      });
      if (message === undefined) continue;
      const { host, atMs, order } = message;
      const heldMs = this.#heldMs(entry);
      if (order.type === 'Completed') {
        if (order.claims.length > 0) this.#used.push(order);
        const written = { order, host, atMs, heldMs };
        if (this.#concernsUs(written)) this.#open.set(order.grant, written);
      } else if (order.type === 'Revoked') {
        await this.#revoke({ order, host, atMs });
      }
    }
    if (unread > 0) {
      const why = 'another key signed them, or nobody of the cluster';
      this.#options.log.warn({ unread, why }, 'older messages of the cluster were left aside');
    }
    await this.#options.takeClaims(this.#used);
    this.#used = [];
    for (const [grant, written] of this.#open) {
      await this.#accept(written);
      this.#open.delete(grant);
    }
  }

  /** Acts on each new message, until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    for await (const entry of this.#options.shared.follow(this.#last, signal)) {
      this.#last = entry.streamId;
      const message = this.#take(entry, this.#options.onRejected);
      if (message === undefined) continue;
      const { host, atMs, order } = message;
      const heldMs = this.#heldMs(entry);
      if (order.type === 'Completed') {
        if (order.claims.length > 0) void this.#options.takeClaims([order]);
        const written = { order, host, atMs, heldMs };
        if (this.#concernsUs(written)) void this.#accept(written);
      } else if (order.type === 'Revoked') {
        void this.#revoke({ order, host, atMs });
      }
    }
  }

  /** The id of an entry says when Redis took it, in milliseconds by its clock. */
  #heldMs({ streamId }: StreamEntry): number {
    const { clock, shared } = this.#options;
    return clock.wall() - shared.aheadMs - Number.parseInt(streamId, 10);
  }

  /** The order in an entry; reports go to the view. */
  #take(
    entry: StreamEntry,
    onRejected: (why: string) => void,
  ): (ClusterMessage & { readonly kind: 'order' }) | undefined {
    const { unseal, view } = this.#options;
    const isToldAgain = this.#isToldAgain(entry);
    const message = unseal(entry);
    if (typeof message === 'string') {
      onRejected(message);
      return undefined;
    }
    if (message.kind === 'order') return message;
    if (!view.apply(message) && !isToldAgain) onRejected('repeated');
    return undefined;
  }

  /**
   * Whether nobody need have meddled for a report to come twice: a failover that loses the last entries
   * has the journal read from its oldest again, and hosts tell again what was lost.
   */
  #isToldAgain({ streamId }: StreamEntry): boolean {
    const { clock } = this.#options;
    if (!isStreamId(streamId)) return false;
    if (compareIds(streamId, this.#furthest) > 0) this.#furthest = streamId;
    else this.#replacedAtMs = clock.now();
    return clock.now() - this.#replacedAtMs < TOLD_AGAIN_MS;
  }

  /** What another host is to do, or what its replicas have not confirmed, is nothing to us. */
  #concernsUs({ order, host: writer, atMs }: Written<CompletedOrder>): boolean {
    const { host, clock, isUnderway } = this.#options;
    if (order.pending === true || isUnderway(order.grant)) return false;
    if (order.runOn === 'everywhere') return true;
    // Our own, lost between the cluster and our journal: as any completion after a crash.
    const isFresh = clock.wall() - atMs < ABANDON_AFTER_MS;
    return order.runOn === 'here' && writer === host && isFresh;
  }

  /** Never rejects: what could not be opened is said. */
  async #accept(written: Written<CompletedOrder>): Promise<void> {
    const { acceptor, log, onRejected } = this.#options;
    const { grant, door, source } = written.order;
    const fields = { grant, door, source, from: written.host };
    try {
      const result = await acceptor.accept(written);
      if (result.kind === 'future' || result.kind === 'unfit') onRejected(result.kind);
      else if (result.kind === 'opening') {
        this.#options.onOpening(source, door);
        log.info(fields, 'opening for a knock on another host');
      } else if (result.kind === 'extended')
        log.info(fields, 'knocked again on another host: stays open longer');
    } catch (error) {
      if (!this.#news.isNew(grant)) return;
      log.error({ ...fields, reason: reasonOf(error) }, 'not opened here, though on other hosts');
    }
  }

  async #revoke(revoked: Written<RevokedOrder>): Promise<void> {
    const { host, grants, doorHere, toleranceMs, log } = this.#options;
    const { door, source, host: only } = revoked.order;
    if (only !== undefined && only !== host) return;
    const here = doorHere(door)?.door;
    const isForAll = here !== undefined && isShared(here, familyOf(source));
    for (const [grant, written] of this.#open) {
      const order = isForAll ? { ...written.order, source } : written.order;
      if (isRevoked({ ...written, order }, revoked, toleranceMs)) this.#open.delete(grant);
    }
    try {
      const closed = await grants.revoke(door, source, revoked.atMs + toleranceMs);
      if (closed > 0) log.info({ door, source, closed, by: revoked.host }, 'revoked');
    } catch (error) {
      log.error({ door, source, reason: reasonOf(error) }, 'could not be revoked');
    }
  }
}
