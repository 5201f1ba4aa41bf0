/**
 * This host's part in a cluster: what is shared goes through the shared Redis, and the rest never
 * waits for it (DESIGN 12). While that Redis is away, or refuses this host, doors that are shared are
 * refused and everything else works.
 */
import { PosternError, reasonOf } from '../errors.js';
import type { Completion, Grants } from '../jobs/types.js';
import type { Journal } from '../journal/types.js';
import { type Acceptance, Acceptor, type AcceptorOptions } from './acceptor.js';
import { Acted } from './acted.js';
import { ClaimIntake } from './claim-intake.js';
import { Follower } from './follower.js';
import { createForwarder, type Forwarder } from './forwarder.js';
import { ANSWER_WITHIN_MS } from './link.js';
import { createMembers, type Members, type Verdict } from './members.js';
import { Messenger } from './messenger.js';
import { Novelty } from './novelty.js';
import { type OnceOptions, workOnce } from './once.js';
import type { CompletedOrder } from './orders.js';
import type { ClusterStatus } from './status.js';
import type { ClusterKeys, ClusterMessage, SharedRedis, StreamEntry } from './types.js';
import { type ClusterView, createClusterView } from './view.js';

/** A completion with what the cluster knows its one-time sequence by. */
export interface SharedCompletion extends Completion {
  /** Empty or absent: a fixed sequence. */
  readonly clusterClaims?: readonly string[];
}

export interface ClusterOptions extends Omit<AcceptorOptions, 'grants'> {
  readonly name: string;
  readonly host: string;
  readonly version: string;
  readonly keys: () => ClusterKeys;
  readonly shared: SharedRedis;
  /** So many replicas must confirm before other hosts act (`redis_wait`). */
  readonly redisWait: number;
  readonly journal: Journal;
  readonly grants: Pick<Grants, 'accept' | 'revoke'>;
  /** Digests of this host's doors, to be compared with others'. */
  readonly doorDigests: () => Readonly<Record<string, string>>;
  /** A one-time sequence of that door was used somewhere: the door listens for its next. */
  readonly onClaimed: (door: string) => Promise<void>;
  /** A door opens here for a knock on another host. */
  readonly onOpening: (source: string, door: string) => void;
}

/** How long the start waits for the cluster: then this host works alone until it is there. */
const JOIN_WITHIN_MS = 3000;
const AGAIN_MS = 1000;
const LOOK_EVERY_MS = 2000;
/** In less time than this nothing is begun that replicas have to confirm. */
const CONFIRM_AT_LEAST_MS = 300;

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #messenger: Messenger;
  readonly #acceptor: Acceptor;
  readonly #follower: Follower;
  readonly #once: OnceOptions;
  readonly #members: Members;
  readonly #view: ClusterView = createClusterView();
  readonly #acted: Acted;
  readonly #claims: ClaimIntake;
  readonly #ending = new AbortController();
  /** Grants whose knock is on its way here through the shared Redis. */
  readonly #underway = new Set<string>();
  #verdict: Verdict | undefined;
  #forwarder: Forwarder | undefined;
  /** Set while this host takes part; ends when it is refused. */
  #part: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { shared, host, log, clock, toleranceMs } = options;
    this.#messenger = new Messenger(options);
    const onRejected = (why: string) => this.#messenger.reject(why);
    const unseal = (entry: StreamEntry) => this.#messenger.open(entry);
    const wallMs = () => clock.wall();
    this.#acceptor = new Acceptor(options);
    this.#acted = new Acted({ ...options, wallMs });
    this.#claims = new ClaimIntake(options);
    this.#follower = new Follower({
      ...options,
      ...{ unseal, onRejected, acceptor: this.#acceptor },
      view: { apply: (message) => this.#seen(message) },
      takeClaims: (orders) => this.#claims.take(orders),
      isUnderway: (grant) => this.#underway.has(grant),
    });
    this.#members = createMembers({
      ...{ shared, host, clock, log },
      cluster: options.name,
      keys: options.keys,
      version: options.version,
      doors: options.doorDigests,
      clockToleranceMs: toleranceMs,
      onVerdict: (verdict) => this.#judged(verdict),
    });
    const news = new Novelty(clock);
    this.#once = {
      ...options,
      ...{ unseal, onRejected, wallMs, acceptor: this.#acceptor },
      isActedOn: (grant) => this.#acted.has(grant),
      isNews: (grant) => news.isNew(grant),
    };
  }

  /** The last event of this host that the cluster journal holds; undefined: none. */
  get forwarded(): string | undefined {
    return this.#forwarder?.position;
  }

  /**
   * Joins. Resolves when this host has caught up with the cluster, or after 3 s: then it goes on
   * trying.
   */
  async start(): Promise<void> {
    const { log, name } = this.#options;
    this.#members.start();
    let joined = () => {};
    const joining = new Promise<void>((resolve) => {
      joined = resolve;
    });
    this.#running = this.#run(joined);
    const timer = setTimeout(joined, JOIN_WITHIN_MS);
    await joining;
    clearTimeout(timer);
    if (this.#part !== undefined) return;
    const because = this.#absence() ?? 'it takes long to catch up';
    log.error({ cluster: name, because }, 'not in the cluster yet: shared doors stay shut');
  }

  /**
   * Takes a completed sequence of a shared door to the cluster.
   * @throws PosternError POSTERN_E_CLUSTER when the cluster is out of reach or refuses this host;
   *   POSTERN_E_JOURNAL when this host could not keep it. Nothing was opened here then.
   */
  async complete(completion: SharedCompletion): Promise<Acceptance | { readonly kind: 'queued' }> {
    const absence = this.#absence();
    if (absence !== undefined) throw new PosternError('POSTERN_E_CLUSTER', absence);
    const { host, clock, redisWait, shared } = this.#options;
    const { door, source, claim, clusterClaims: claims = [] } = completion;
    const atMs = Math.floor(clock.wall());
    // Whoever used up a sequence acts on it, so there is nobody else to be told to act once.
    const runOn = door.runOn === 'once' && claims.length > 0 ? 'here' : door.runOn;
    const grant = this.#messenger.newGrant(atMs);
    const order: CompletedOrder = {
      ...{ type: 'Completed', grant, door: door.name, source, runOn, claims },
      ...(redisWait > 0 && { pending: true as const }),
    };
    const isQueued = runOn === 'once';
    const untilMs = clock.now() + ANSWER_WITHIN_MS;
    // The shared Redis may have lost what this host remembers (DESIGN 8).
    if (await this.#claims.knows(claims)) return { kind: 'spent' };
    this.#underway.add(grant);
    try {
      const sealed = this.#messenger.order(order, atMs);
      const isLast = isQueued && !order.pending;
      const outcome = await shared.complete(grant, sealed, claims, isLast, untilMs);
      if (outcome === 'spent') return { kind: 'spent' };
      // Nobody but us acts on one that is for this host, and what is not told is not read again.
      if (order.pending && runOn !== 'here') await this.#confirm(order, atMs, untilMs);
      if (isQueued) return { kind: 'queued' };
      return await this.#acceptor.accept({ order, host, atMs }, claim);
    } finally {
      this.#underway.delete(grant);
    }
  }

  /** Lets the other hosts act on what replicas have confirmed; this too is to outlive a failover. */
  async #confirm(order: CompletedOrder, atMs: number, byMs: number): Promise<void> {
    const { clock, shared } = this.#options;
    if (byMs - clock.now() < CONFIRM_AT_LEAST_MS) {
      throw new PosternError('POSTERN_E_CLUSTER', 'the replicas of the shared Redis are too slow');
    }
    const confirmed = this.#messenger.order({ ...order, pending: undefined }, atMs);
    await shared.publish(confirmed, order.runOn === 'once', byMs);
  }

  /**
   * Tells the other hosts to close.
   * @throws PosternError POSTERN_E_CLUSTER when they cannot be told
   */
  async revoke(door: string, source: string, host?: string): Promise<void> {
    const absence = this.#absence();
    if (absence !== undefined) throw new PosternError('POSTERN_E_CLUSTER', absence);
    const order = { type: 'Revoked' as const, door, source, ...(host !== undefined && { host }) };
    await this.#options.shared.publish(this.#messenger.order(order, this.#wall()), false);
  }

  /** @throws PosternError POSTERN_E_CLUSTER */
  async forget(host: string): Promise<void> {
    await this.#options.shared.forgetHost(host);
    this.#view.forget(host);
  }

  status(): ClusterStatus {
    const { name, clock } = this.#options;
    const reason = this.#absence();
    const hosts = this.#members.hosts();
    const ahead = new Map(hosts.map(({ host, clockAheadMs = 0 }) => [host, clockAheadMs]));
    return {
      name,
      state: this.#state(),
      ...(reason !== undefined && { reason }),
      behind: this.#forwarder?.behind ?? 0,
      hosts,
      grants: this.#view.grants(clock.wall(), (host) => ahead.get(host) ?? 0),
      rejected: this.#messenger.rejected,
    };
  }

  /** Says goodbye and lets go. Takes a few hundred milliseconds at most. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all([this.#members.stop(), this.#forwarder?.stop()]);
    await this.#options.shared.close();
    await this.#running;
  }

  /** Takes part whenever it may, until this host ends. */
  async #run(joined: () => void): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      if (await this.#catchUp()) {
        joined();
        await this.#takePart();
      } else {
        if (this.#verdict?.kind === 'refused') joined();
        await this.#pause();
      }
    }
  }

  /** False when it is not possible now. */
  async #catchUp(): Promise<boolean> {
    const { log, name, shared } = this.#options;
    const { signal } = this.#ending;
    if (!shared.isReady) return false;
    try {
      this.#verdict = await this.#members.ready();
      if (this.#verdict.kind === 'refused') return false;
      await this.#follower.catchUp(signal);
      return !signal.aborted;
    } catch (error) {
      log.warn({ cluster: name, reason: reasonOf(error) }, 'catching up with the cluster failed');
      return false;
    }
  }

  /** Until this host ends, or is refused. */
  async #takePart(): Promise<void> {
    const { log, name, shared } = this.#options;
    const part = new AbortController();
    const signal = AbortSignal.any([part.signal, this.#ending.signal]);
    this.#part = part;
    this.#forwarder = this.#createForwarder();
    this.#forwarder.start();
    log.info({ cluster: name, hosts: this.#members.hosts().length }, 'in the cluster');
    const stopHealing = shared.onReady(() => this.#claims.tell());
    // It may be emptied without the connection being lost.
    const looking = setInterval(() => void this.#claims.look(this.forwarded), LOOK_EVERY_MS);
    const unlessEnded = (error: unknown) => {
      if (signal.aborted) return;
      log.error({ reason: reasonOf(error) }, 'the cluster cannot be followed: joining it anew');
      part.abort();
    };
    await Promise.all([
      this.#follower.follow(signal).catch(unlessEnded),
      workOnce(this.#once, signal).catch(unlessEnded),
    ]);
    this.#part = undefined;
    clearInterval(looking);
    stopHealing();
    await this.#forwarder.stop();
  }

  /** A second, or until the shared Redis is there, or this host ends. */
  async #pause(): Promise<void> {
    const { shared } = this.#options;
    const { signal } = this.#ending;
    if (signal.aborted) return;
    let over = () => {};
    const waiting = new Promise<void>((resolve) => {
      over = resolve;
    });
    const timer = setTimeout(over, AGAIN_MS);
    const stopListening = shared.isReady ? () => {} : shared.onReady(over);
    signal.addEventListener('abort', over);
    await waiting;
    clearTimeout(timer);
    stopListening();
    signal.removeEventListener('abort', over);
  }

  #createForwarder(): Forwarder {
    const { shared, journal, log, clock, host } = this.#options;
    return createForwarder({
      ...{ shared, journal, log, clock, host },
      seal: (event) => this.#messenger.report(event),
      onLoss: () => void this.#claims.tell(),
    });
  }

  /** False: it came before. */
  #seen(message: ClusterMessage): boolean {
    this.#acted.note(message);
    return this.#view.apply(message);
  }

  #state(): ClusterStatus['state'] {
    if (this.#verdict?.kind === 'refused') return 'refused';
    if (!this.#options.shared.isReady) return 'away';
    return this.#part === undefined ? 'joining' : 'joined';
  }

  /** Why this host cannot act for the cluster now; undefined: it can. */
  #absence(): string | undefined {
    if (this.#verdict?.kind === 'refused') return this.#verdict.reason;
    if (!this.#options.shared.isReady) return 'the shared Redis is out of reach';
    return this.#part === undefined ? 'this host is still joining the cluster' : undefined;
  }

  #judged(verdict: Verdict): void {
    const { log, name: cluster } = this.#options;
    const before = this.#verdict?.kind;
    this.#verdict = verdict;
    if (verdict.kind === 'refused' && before !== 'refused') {
      const { reason } = verdict;
      log.error(
        { cluster, reason },
        'THIS HOST TAKES NO PART IN THE CLUSTER: shared doors stay shut',
      );
      this.#part?.abort();
    } else if (verdict.kind === 'fine' && before === 'refused') {
      log.info({ cluster }, 'this host takes part in the cluster again');
    }
  }

  #wall(): number {
    return Math.floor(this.#options.clock.wall());
  }
}
