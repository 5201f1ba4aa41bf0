import type { Log } from '../log/types.js';
import { Novelty } from './novelty.js';
import { AWAY_AFTER_MS, type Peer, type Roster } from './roster.js';
import type { ClusterHostStatus } from './status.js';

/** In a row: the clock of Redis itself may have been measured anew by one host and not the other. */
const BEATS_TO_BELIEVE = 2;

/** What was said of a host last. */
interface Said {
  state: ClusterHostStatus['state'] | undefined;
  differences: string;
  skewed: boolean;
  /** The beat that was judged last, and how many in a row spoke against what was said. */
  counter: number;
  against: number;
}

/** Says what changes about the other hosts, each change once. */
export class MembersLog {
  readonly #log: Log;
  readonly #toleranceMs: number;
  readonly #said = new Map<string, Said>();
  #foreign = new Set<string>();
  /** Names under which nonsense stands; whoever can write it has any number of them. */
  readonly #news = new Novelty({ now: () => this.#nowMs });
  #nowMs = 0;
  #quietUntilMs = Number.NEGATIVE_INFINITY;

  constructor(log: Log, toleranceMs: number) {
    this.#log = log;
    this.#toleranceMs = toleranceMs;
  }

  /** Nobody could be heard until now, so that nobody was is no news for a while. Monotonic ms. */
  connected(nowMs: number): void {
    this.#quietUntilMs = nowMs + AWAY_AFTER_MS;
  }

  /** The hosts as they are now; monotonic ms. */
  report(hosts: readonly ClusterHostStatus[], roster: Roster, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#reportForeign(roster.foreign);
    for (const host of this.#said.keys()) if (!roster.peers.has(host)) this.#said.delete(host);
    for (const status of hosts) {
      const peer = roster.peers.get(status.host);
      if (peer === undefined || status.isSelf) continue;
      const said = this.#said.get(status.host) ?? {
        ...{ state: undefined, differences: '[[],[],[]]', skewed: false, counter: -1, against: 0 },
      };
      this.#said.set(status.host, said);
      this.#reportState(status, said, nowMs);
      this.#reportClock(status, peer, said);
      this.#reportDoors(status, said);
    }
  }

  #reportForeign(hosts: readonly string[]): void {
    const message = 'a sign of life does not verify: does that host have another key?';
    for (const host of hosts) {
      if (!this.#foreign.has(host) && this.#news.isNew(host)) this.#log.warn({ host }, message);
    }
    this.#foreign = new Set(hosts);
  }

  #reportState({ host, state, version }: ClusterHostStatus, said: Said, nowMs: number): void {
    const before = said.state;
    if (state === before || (state === 'away' && nowMs < this.#quietUntilMs)) return;
    said.state = state;
    if (before === undefined && state === 'stopped') return;
    if (state === 'stopped') this.#log.info({ host }, 'a host of the cluster has stopped');
    else if (state === 'away')
      this.#log.warn({ host }, 'a host of the cluster gives no sign of life');
    else if (before === 'away') this.#log.info({ host }, 'a host of the cluster is back');
    else this.#log.info({ host, version }, 'a host is in the cluster');
  }

  #reportClock({ host, clockAheadMs }: ClusterHostStatus, { beat }: Peer, said: Said): void {
    if (beat.counter === said.counter) return;
    said.counter = beat.counter;
    const isSkewed = clockAheadMs !== undefined;
    said.against = isSkewed === said.skewed ? 0 : said.against + 1;
    if (said.against < BEATS_TO_BELIEVE) return;
    said.skewed = isSkewed;
    said.against = 0;
    const fields = { host, clockAheadMs, clockToleranceMs: this.#toleranceMs };
    if (isSkewed) this.#log.warn(fields, 'the clock of a host differs by too much from ours');
    else this.#log.info({ host }, 'the clock of a host agrees with ours again');
  }

  #reportDoors(status: ClusterHostStatus, said: Said): void {
    const { host, doorsMissingHere, doorsMissingThere, doorsThatDiffer } = status;
    const differences = JSON.stringify([doorsMissingHere, doorsMissingThere, doorsThatDiffer]);
    if (differences === said.differences) return;
    said.differences = differences;
    const fields = { host, doorsMissingHere, doorsMissingThere, doorsThatDiffer };
    if (differences === '[[],[],[]]') this.#log.info({ host }, 'a host has the same doors again');
    else this.#log.warn(fields, 'a host has other doors than this one');
  }
}
