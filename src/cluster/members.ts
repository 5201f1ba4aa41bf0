/**
 * Which hosts are in the cluster: each writes a sign of life, a beat, every two seconds and reads those of
 * the others. They also tell a host that it must not take part: with another key, or under a name
 * that is taken.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.js';
import { PosternError, reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { type Beat, sealBeat, unsealBeat } from './beat.js';
import { compareDoors } from './door-digests.js';
import { MembersLog } from './members-log.js';
import { AWAY_AFTER_MS, type Peer, Roster, type Verdict } from './roster.js';
import type { ClusterHostStatus } from './status.js';
import type { ClusterKeys, SharedRedis } from './types.js';

export type { Verdict } from './roster.js';

const BEAT_EVERY_MS = 2000;
/** While it is not certain that nobody else has our name. */
const LOOK_EVERY_MS = 250;
const VERDICT_WITHIN_MS = 4000;
const GOODBYE_WITHIN_MS = 200;

export interface MembersOptions {
  readonly shared: Pick<
    SharedRedis,
    'isReady' | 'onReady' | 'onLost' | 'beat' | 'beats' | 'aheadMs'
  >;
  /** As they are now: they may be rotated. */
  readonly keys: () => ClusterKeys;
  readonly cluster: string;
  /** This host's name. */
  readonly host: string;
  readonly version: string;
  /** This host's doors with their digests (`doorDigests`), as they are now. */
  readonly doors: () => Readonly<Record<string, string>>;
  /** `clock_tolerance`. */
  readonly clockToleranceMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The verdict is known, or is another one. */
  readonly onVerdict: (verdict: Verdict) => void;
}

export interface Members {
  start(): void;
  /**
   * The verdict as of the present connection to the shared Redis. Rejects with POSTERN_E_CLUSTER when
   * there is none within 4 s, because that Redis is out of reach, or when stopped.
   */
  ready(): Promise<Verdict>;
  /** By name, this host among them. */
  hosts(): ClusterHostStatus[];
  /** Whether a host gave a sign of life in the last 8 s, and did not say that it ends. */
  isAlive(host: string): boolean;
  /** Says that this host ends; 200 ms at most. */
  stop(): Promise<void>;
}

export function createMembers(options: MembersOptions): Members {
  return new ClusterMembers(options);
}

class ClusterMembers implements Members {
  readonly #options: MembersOptions;
  readonly #roster: Roster;
  readonly #log: MembersLog;
  readonly #instance = randomBytes(9).toString('base64url');
  readonly #stopListening: (() => void)[] = [];
  readonly #waiting = new Set<(verdict: Verdict | undefined) => void>();
  #counter = 0;
  /** As of the present connection. */
  #verdict: Verdict | undefined;
  #announced: Verdict | undefined;
  #connection = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: MembersOptions) {
    const { host, cluster, keys, log, clockToleranceMs } = options;
    this.#options = options;
    this.#roster = new Roster(host, this.#instance, (name, text) =>
      unsealBeat(keys(), cluster, name, text),
    );
    this.#log = new MembersLog(log, clockToleranceMs);
  }

  start(): void {
    const { shared } = this.#options;
    const onReady = () => {
      this.#connection += 1;
      this.#log.connected(this.#options.clock.now());
      void this.#turn(this.#connection);
    };
    const onLost = () => {
      this.#verdict = undefined;
      clearTimeout(this.#timer);
    };
    this.#stopListening.push(shared.onLost(onLost), shared.onReady(onReady));
  }

  ready(): Promise<Verdict> {
    if (this.#verdict !== undefined) return Promise.resolve(this.#verdict);
    return new Promise((resolve, reject) => {
      const settle = (verdict: Verdict | undefined) => {
        this.#waiting.delete(settle);
        clearTimeout(timer);
        if (verdict !== undefined) resolve(verdict);
        else reject(new PosternError('POSTERN_E_CLUSTER', 'the shared Redis is out of reach'));
      };
      const timer = setTimeout(settle, this.#isStopped ? 0 : VERDICT_WITHIN_MS, undefined);
      this.#waiting.add(settle);
    });
  }

  hosts(): ClusterHostStatus[] {
    const { host, version, doors } = this.#options;
    const itself: ClusterHostStatus = {
      ...{ host, version, state: 'alive', isSelf: true, seenSecondsAgo: 0 },
      ...{ doorsMissingHere: [], doorsMissingThere: [], doorsThatDiffer: [] },
    };
    const here = new Map(Object.entries(doors()));
    const others = [...this.#roster.peers].map(([name, peer]) => this.#statusOf(name, peer, here));
    return [itself, ...others].sort((a, b) => (a.host < b.host ? -1 : 1));
  }

  isAlive(host: string): boolean {
    if (host === this.#options.host) return !this.#isStopped;
    const peer = this.#roster.peers.get(host);
    return peer !== undefined && this.#stateOf(peer) === 'alive';
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stopListening.splice(0)) stop();
    for (const settle of [...this.#waiting]) settle(undefined);
    if (this.#verdict?.kind !== 'fine') return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GOODBYE_WITHIN_MS);
    });
    await Promise.race([this.#beat(true), late]);
    clearTimeout(timer);
  }

  /** One look at the others, and one beat of ours; then the next in its time. */
  async #turn(connection: number): Promise<void> {
    const isOver = () => this.#isStopped || connection !== this.#connection;
    const beats = await this.#beats();
    if (isOver()) return;
    if (beats !== undefined) this.#take(beats);
    // Never without a look whose beat stands in our place.
    if (beats !== undefined && this.#verdict?.kind === 'fine') await this.#beat(false);
    if (isOver() || !this.#options.shared.isReady) return;
    const again = this.#verdict === undefined ? LOOK_EVERY_MS : BEAT_EVERY_MS;
    this.#timer = setTimeout(() => void this.#turn(connection), again);
  }

  async #beats(): Promise<ReadonlyMap<string, string> | undefined> {
    try {
      return await this.#options.shared.beats();
    } catch (error) {
      this.#options.log.debug({ reason: reasonOf(error) }, 'the signs of life cannot be read');
      return undefined;
    }
  }

  #take(beats: ReadonlyMap<string, string>): void {
    const { clock, shared } = this.#options;
    const now = { monotonicMs: clock.now(), wallMs: clock.wall(), aheadMs: shared.aheadMs };
    this.#roster.take(beats, now);
    this.#verdict = this.#roster.judge(now.monotonicMs);
    this.#log.report(this.hosts(), this.#roster, now.monotonicMs);
    if (this.#verdict === undefined) return;
    for (const settle of [...this.#waiting]) settle(this.#verdict);
    if (JSON.stringify(this.#verdict) === JSON.stringify(this.#announced)) return;
    this.#announced = this.#verdict;
    this.#options.onVerdict(this.#verdict);
  }

  /** Never rejects: the next one comes soon. */
  async #beat(stopping: boolean): Promise<void> {
    const { keys, cluster, host, version, doors, clock, shared, log } = this.#options;
    this.#counter += 1;
    const content: Beat = {
      ...{ host, version, stopping, instance: this.#instance, counter: this.#counter },
      ...{ atMs: clock.wall(), aheadMs: shared.aheadMs, doors: Object.entries(doors()) },
    };
    try {
      await shared.beat(sealBeat(keys(), cluster, content));
    } catch (error) {
      log.debug({ reason: reasonOf(error) }, 'the sign of life was not confirmed');
    }
  }

  #statusOf(host: string, peer: Peer, here: ReadonlyMap<string, string>): ClusterHostStatus {
    const { clock, clockToleranceMs, shared } = this.#options;
    const { beat } = peer;
    const { missingHere, missingThere, differ } = compareDoors(here, new Map(beat.doors));
    const clockAheadMs = Math.round(beat.aheadMs - shared.aheadMs);
    const isBeyond = Math.abs(clockAheadMs) > clockToleranceMs;
    return {
      ...{ host, state: this.#stateOf(peer), isSelf: false, version: beat.version },
      seenSecondsAgo: Math.round((clock.now() - peer.seenAtMs) / 100) / 10,
      ...(isBeyond && { clockAheadMs }),
      ...{ doorsMissingHere: missingHere, doorsMissingThere: missingThere },
      doorsThatDiffer: differ,
    };
  }

  #stateOf({ beat, seenAtMs }: Peer): ClusterHostStatus['state'] {
    if (beat.stopping) return 'stopped';
    return this.#options.clock.now() - seenAtMs > AWAY_AFTER_MS ? 'away' : 'alive';
  }
}
