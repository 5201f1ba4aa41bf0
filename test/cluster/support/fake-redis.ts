import { type Clock, systemClock } from '../../../src/clock.js';
import type { OnceEntry, Sealed, StreamEntry } from '../../../src/cluster/types.js';
import { compareIds, IdSource } from '../../../src/journal/ids.js';

/** Delivered to a host, and not yet finished. */
interface Delivery {
  readonly host: string;
  readonly atMs: number;
  readonly count: number;
}

/** What a `FakeRedis` holds, to be put back as after a failover that lost what came later. */
export type Backup = ReturnType<FakeRedis['backup']>;

/** The shared Redis of one cluster, in memory: what all of its hosts' `FakeShared` talk to. */
export class FakeRedis {
  journal: StreamEntry[] = [];
  queue: StreamEntry[] = [];
  claims = new Map<string, string>();
  heads = new Map<string, string>();
  hosts = new Map<string, string>();
  taken = new Map<string, string>();
  deliveries = new Map<string, Delivery>();
  /** An entry that a host had for longer is given to whoever asks. */
  takeOverAfterMs = 50;
  readonly #ids = new IdSource();
  readonly #waiting = new Set<() => void>();

  constructor(readonly clock: Clock = systemClock) {}

  complete(
    grant: string,
    order: Sealed,
    claims: readonly string[],
    once: boolean,
  ): 'won' | 'spent' {
    const holders = claims.map((claim) => this.claims.get(claim));
    if (holders.some((holder) => holder !== undefined && holder !== grant)) return 'spent';
    const isRepeated = claims.length > 0 && holders.every((holder) => holder === grant);
    for (const claim of claims) this.claims.set(claim, grant);
    if (!isRepeated) this.append(order, once);
    return 'won';
  }

  append(fields: Sealed, once: boolean): void {
    const entry = { streamId: this.#ids.next(this.clock.wall()), fields };
    this.journal.push(entry);
    if (once) this.queue.push(entry);
    this.wake();
  }

  forward(
    host: string,
    head: string | undefined,
    reports: readonly { readonly id: string; readonly sealed: Sealed }[],
  ): string | undefined {
    const present = this.heads.get(host);
    const last = reports.at(-1);
    if (present !== head || last === undefined) return present;
    for (const { sealed } of reports) this.append(sealed, false);
    this.heads.set(host, last.id);
    return last.id;
  }

  addClaims(claims: readonly { readonly claim: string; readonly grant: string }[]): void {
    for (const { claim, grant } of claims) {
      if (!this.claims.has(claim)) this.claims.set(claim, grant);
    }
  }

  take(grant: string, host: string): boolean {
    const holder = this.taken.get(grant) ?? host;
    this.taken.set(grant, holder);
    return holder === host;
  }

  /** Entries that hosts gave back: id and host. */
  readonly declined = new Set<string>();

  /** The next entry of the journal. */
  next(after: string | undefined): StreamEntry | undefined {
    if (after === undefined) return this.journal[0];
    const newest = this.journal.at(-1);
    // Most often asked for by one who has read all.
    if (newest === undefined || compareIds(newest.streamId, after) <= 0) return undefined;
    return this.journal.find(({ streamId }) => compareIds(streamId, after) > 0);
  }

  /** The journal began anew: it does not reach as far as that id. */
  isAhead(id: string): boolean {
    const newest = this.journal.at(-1);
    return newest === undefined || compareIds(newest.streamId, id) < 0;
  }

  /** An entry of the queue for that host: a new one, or one that another had for too long. */
  deliver(host: string): OnceEntry | undefined {
    const now = this.clock.now();
    for (const entry of this.queue) {
      const before = this.deliveries.get(entry.streamId);
      if (before !== undefined && now - before.atMs < this.takeOverAfterMs) continue;
      if (this.declined.has(`${entry.streamId} ${host}`)) continue;
      const count = (before?.count ?? 0) + 1;
      this.deliveries.set(entry.streamId, { host, atMs: now, count });
      return { ...entry, deliveries: count };
    }
    return undefined;
  }

  decline(streamId: string, host: string): void {
    this.declined.add(`${streamId} ${host}`);
    const before = this.deliveries.get(streamId);
    if (before !== undefined) this.deliveries.set(streamId, { ...before, atMs: -1e9 });
  }

  finish(streamId: string): void {
    this.queue = this.queue.filter((entry) => entry.streamId !== streamId);
    this.deliveries.delete(streamId);
  }

  backup() {
    const { journal, queue, claims, heads, hosts, taken, deliveries } = this;
    return {
      ...{ journal: [...journal], queue: [...queue] },
      ...{ claims: new Map(claims), heads: new Map(heads), hosts: new Map(hosts) },
      ...{ taken: new Map(taken), deliveries: new Map(deliveries) },
    };
  }

  /** A copy of the backup, which may be used again. */
  putBack(backup: Backup): void {
    const { journal, queue, claims, heads, hosts, taken, deliveries } = backup;
    this.journal = [...journal];
    this.queue = [...queue];
    this.claims = new Map(claims);
    this.heads = new Map(heads);
    this.hosts = new Map(hosts);
    this.taken = new Map(taken);
    this.deliveries = new Map(deliveries);
    this.wake();
  }

  /** FLUSHALL. */
  flush(): void {
    this.putBack(new FakeRedis().backup());
  }

  /** Whoever waits for a change looks again. */
  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next change, when the signal aborts, or after so many milliseconds. */
  async change(signal: AbortSignal, withinMs?: number): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        clearTimeout(timer);
        resolve();
      };
      const timer = withinMs === undefined ? undefined : setTimeout(wake, withinMs);
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
