/**
 * What the signs of life in the shared Redis say: which hosts live, and whether this one may take
 * part. No I/O and no clock of its own. Who can write there may replay old beats or write nonsense:
 * a beat counts once, and what does not verify is at most a reason to take no part.
 */
import { type Beat, isHostName, sharedTimeOf } from './beat.js';

/** A host that gave no sign of life for so long is away. */
export const AWAY_AFTER_MS = 8000;
/**
 * A key under which others' beats verified is right for so long without any: when all beats are gone
 * but a forged one, live hosts write theirs anew, and none may be kept from it.
 */
const VERIFIED_FOR_MS = 8000;
/** A beat under our own name that is older was written by a host that lives no more. */
const NAMESAKE_FRESH_MS = 10_000;
/** A beat of a live host changes in this time: each writes one every two seconds. */
const NAMESAKE_PROOF_MS = 3000;
/** More are not looked at; a cluster has a few. */
const MOST_HOSTS = 256;
/** Earlier starts of a host that are remembered, so that their beats do not count again. */
const MOST_INSTANCES = 16;

export type Verdict =
  | { readonly kind: 'fine' }
  /** This host takes no part, for that reason: a sentence's worth for the operator. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Now, by this host's clocks. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** Of the wall clock, before that of the shared Redis. */
  readonly aheadMs: number;
}

export interface Peer {
  readonly beat: Beat;
  /** When it gave its last sign of life, by this host's monotonic clock. */
  readonly seenAtMs: number;
}

interface KnownPeer extends Peer {
  /** When the beat was written, by the clock of the shared Redis: not later than it was seen. */
  readonly sharedMs: number;
  /** The highest counter that was seen of each of its starts. */
  readonly counters: ReadonlyMap<string, number>;
}

type Unsealed = Beat | 'foreign' | 'newer';

/** Another host of our name, as long as its beat stands in our place. */
interface Namesake {
  readonly beat: Unsealed;
  readonly text: string;
  readonly sinceMs: number;
  readonly changedAtMs: number | undefined;
}

export class Roster {
  readonly #host: string;
  readonly #instance: string;
  readonly #unseal: (host: string, text: string) => Unsealed;
  readonly #peers = new Map<string, KnownPeer>();
  #namesake: Namesake | undefined;
  /** When a beat of another host verified last, monotonic ms. */
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #foreign: readonly string[] = [];
  #lookedAtMs = 0;

  constructor(host: string, instance: string, unseal: (host: string, text: string) => Unsealed) {
    this.#host = host;
    this.#instance = instance;
    this.#unseal = unseal;
  }

  /** The other hosts by name, each with its last beat. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  /** Names under which there is a beat that does not verify. */
  get foreign(): readonly string[] {
    return this.#foreign;
  }

  /** Takes in all beats that there are now; hosts without one are forgotten. */
  take(beats: ReadonlyMap<string, string>, now: Instant): void {
    const others = [...beats].filter(([host]) => host !== this.#host && isHostName(host));
    const foreign: string[] = [];
    for (const host of this.#peers.keys()) if (!beats.has(host)) this.#peers.delete(host);
    for (const [host, text] of others.slice(0, MOST_HOSTS)) {
      const beat = this.#unseal(host, text);
      if (beat === 'foreign') foreign.push(host);
      else this.#verifiedAtMs = now.monotonicMs;
      if (typeof beat !== 'string') this.#takePeer(host, beat, now);
    }
    this.#foreign = foreign;
    this.#lookedAtMs = now.monotonicMs;
    this.#takeOwn(beats.get(this.#host), now);
  }

  /** Undefined: it takes some seconds more to say. */
  judge(nowMs: number): Verdict | undefined {
    const isKnownToVerify = nowMs - this.#verifiedAtMs <= VERIFIED_FOR_MS;
    if (this.#foreign.length > 0 && !isKnownToVerify) return WRONG_KEY;
    const namesake = this.#namesake;
    if (namesake === undefined) return { kind: 'fine' };
    const { changedAtMs, sinceMs } = namesake;
    if (changedAtMs !== undefined) {
      const isOver = nowMs - changedAtMs > NAMESAKE_FRESH_MS;
      return isOver ? { kind: 'fine' } : nameTaken(this.#host);
    }
    return nowMs - sinceMs < NAMESAKE_PROOF_MS ? undefined : { kind: 'fine' };
  }

  #takePeer(host: string, beat: Beat, now: Instant): void {
    const known = this.#peers.get(host);
    const sharedMs = Math.min(sharedTimeOf(beat), now.wallMs - now.aheadMs);
    if (known !== undefined && !isNews(known, beat, sharedMs)) return;
    // Clocks are believed no further than back to our last look: it was written since then.
    const mostMs =
      known === undefined ? Number.POSITIVE_INFINITY : now.monotonicMs - this.#lookedAtMs;
    const ageMs = Math.min(Math.max(0, ageOf(beat, now)), mostMs);
    const counters = new Map([...(known?.counters ?? [])].slice(-MOST_INSTANCES));
    counters.set(beat.instance, beat.counter);
    this.#peers.set(host, { beat, seenAtMs: now.monotonicMs - ageMs, sharedMs, counters });
  }

  /** What stands in our own place: ours, what a host left that lives no more, or a namesake's. */
  #takeOwn(text: string | undefined, now: Instant): void {
    const beat = text === undefined ? undefined : this.#unseal(this.#host, text);
    if (text === undefined || beat === undefined || this.#isHarmless(beat, now)) {
      this.#namesake = undefined;
      return;
    }
    const before = this.#namesake;
    if (before === undefined) {
      this.#namesake = { beat, text, sinceMs: now.monotonicMs, changedAtMs: undefined };
    } else if (text !== before.text && advances(before.beat, beat)) {
      this.#namesake = { ...before, beat, text, changedAtMs: now.monotonicMs };
    }
  }

  #isHarmless(beat: Unsealed, now: Instant): boolean {
    if (typeof beat === 'string') return false;
    if (beat.instance === this.#instance || beat.stopping) return true;
    return this.#namesake === undefined && ageOf(beat, now) > NAMESAKE_FRESH_MS;
  }
}

const WRONG_KEY: Verdict = {
  kind: 'refused',
  reason:
    'no sign of life of another host verifies under the key of this one: copy the key file of the ' +
    'cluster here (compare by `postern cluster key`), or `postern cluster forget` hosts that are gone',
};

function nameTaken(host: string): Verdict {
  const reason = `another live host of the cluster is named ${host}: give each its own (host = NAME)`;
  return { kind: 'refused', reason };
}

function ageOf(beat: Beat, now: Instant): number {
  return now.wallMs - now.aheadMs - sharedTimeOf(beat);
}

/** Whether it was written after what we know of that host. */
function isNews(known: KnownPeer, beat: Beat, sharedMs: number): boolean {
  const counted = known.counters.get(beat.instance);
  if (counted === undefined) return sharedMs > known.sharedMs;
  return beat.instance === known.beat.instance && beat.counter > counted;
}

/** Whether a live host wrote the second after the first, and it is no old one written again. */
function advances(before: Unsealed, after: Unsealed): boolean {
  if (typeof before === 'string' || typeof after === 'string') return true;
  if (before.instance === after.instance) return after.counter > before.counter;
  return sharedTimeOf(after) > sharedTimeOf(before);
}
