/** Claims of the cluster on their way to and from what this host remembers of them. */
import { PosternError, reasonOf } from '../errors.js';
import { within } from '../jobs/within.js';
import type { ClusterClaim, Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';
import { coalesced } from './coalesced.js';
import type { CompletedOrder } from './orders.js';
import type { SharedRedis } from './types.js';

export interface ClaimIntakeOptions {
  readonly journal: Pick<Journal, 'knows' | 'remember' | 'rememberedClaims'>;
  readonly shared: Pick<SharedRedis, 'isReady' | 'head' | 'addClaims'>;
  /** A one-time sequence of that door was used somewhere: the door listens for its next. */
  readonly onClaimed: (door: string) => Promise<void>;
  readonly log: Log;
}

const CLAIMS_AT_ONCE = 500;
/** A knock is refused within a second (T12), and the shared Redis is asked too. */
const KNOWN_WITHIN_MS = 400;

export class ClaimIntake {
  readonly #options: ClaimIntakeOptions;
  /** Claim and grant. */
  readonly #waiting = new Map<string, string>();
  // Orders may be repeated at any rate, and each time Redis is asked and a file read for them.
  readonly #remember: (what: 'all') => Promise<void>;
  readonly #moveOn: (door: string) => Promise<void>;

  constructor(options: ClaimIntakeOptions) {
    this.#options = options;
    this.#moveOn = coalesced(options.onClaimed);
    this.#remember = coalesced(async () => {
      const claims = [...this.#waiting].map(([claim, grant]) => ({ claim, grant }));
      this.#waiting.clear();
      await options.journal.remember(claims);
    });
  }

  /**
   * Whether a sequence with these claims was used, as far as this host knows by itself: the shared
   * Redis may have lost it. Rejects with POSTERN_E_JOURNAL when there is no answer in time.
   */
  async knows(claims: readonly string[]): Promise<boolean> {
    if (claims.length === 0) return false;
    let isKnown: boolean | undefined;
    const asking = this.#options.journal.knows(claims).then((known) => {
      isKnown = known.includes(true);
    });
    await within(KNOWN_WITHIN_MS, asking);
    if (isKnown !== undefined) return isKnown;
    asking.catch(() => undefined); // nobody waits for it any more
    throw new PosternError('POSTERN_E_JOURNAL', 'the journal cannot tell the claims: no answer');
  }

  /** Takes in what others used up. Never rejects. */
  async take(orders: readonly CompletedOrder[]): Promise<void> {
    const { log } = this.#options;
    const doors = [...new Set(orders.map(({ door }) => door))];
    for (const { claims, grant } of orders) {
      for (const claim of claims) this.#waiting.set(claim, grant);
    }
    try {
      await this.#remember('all');
      await Promise.all(doors.map(this.#moveOn));
    } catch (error) {
      // The shared Redis knows of it, and is asked before anything is opened.
      log.warn({ doors, reason: reasonOf(error) }, 'a claim of another host was not kept here');
    }
  }

  /** Tells all claims again when the shared Redis has nothing of what it was told. Never rejects. */
  async look(forwarded: string | undefined): Promise<void> {
    const { shared } = this.#options;
    if (!shared.isReady || forwarded === undefined) return;
    const head = await shared.head().catch(() => forwarded); // all is told when it is there again
    if (head === undefined) await this.tell();
  }

  /** The shared Redis may have lost claims that this host remembers (a restored backup, a flush). */
  async tell(): Promise<void> {
    const { journal, shared, log } = this.#options;
    try {
      let batch: ClusterClaim[] = [];
      for await (const claim of journal.rememberedClaims()) {
        batch.push(claim);
        if (batch.length < CLAIMS_AT_ONCE) continue;
        await shared.addClaims(batch);
        batch = [];
      }
      if (batch.length > 0) await shared.addClaims(batch);
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'the claims that this host knows could not be told');
    }
  }
}
