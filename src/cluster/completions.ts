import { ANSWER_WITHIN_MS, clusterError, type Link } from './link.js';
import { COMPLETE } from './scripts/complete.js';

export type Outcome = 'won' | 'spent';

/** Replicas are waited for so long at most. */
const CONFIRM_WITHIN_MS = 500;
/** For the answer's way; Redis with its usual `hz 10` ends a WAIT up to 100 ms late besides. */
const WAY_BACK_MS = 200;

/** The arguments of COMPLETE, but for the time. */
export interface CompletionOptions {
  /** A connection of its own: WAIT holds up whatever comes behind it. */
  readonly link: Link;
  /** `redis_wait`; 0: an answer of the server alone will do. */
  readonly replicas: number;
  /** Claims, journal, queue. */
  readonly keys: readonly [string, string, string];
}

interface Waiting {
  readonly args: readonly string[];
  readonly untilMs: number;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Completes doors in the shared Redis, and asks the replicas, when so configured.
 *
 * WAIT means all that its connection wrote before, so one WAIT confirms every completion that was
 * sent before it, whatever else slips in between: more is waited for then, never less. But it must
 * go over the same connection: on a new one, which wrote nothing, it confirms at once. So they are
 * sent in one go, neither is ever sent again, and what comes meanwhile goes with the next WAIT.
 */
export class Completions {
  readonly #options: CompletionOptions;
  readonly #waiting = new Set<Waiting>();
  #isBusy = false;

  constructor(options: CompletionOptions) {
    this.#options = options;
  }

  /** `args` are those of COMPLETE, but for the time. Rejects with POSTERN_E_CLUSTER. */
  complete(args: readonly string[]): Promise<Outcome> {
    const { link, replicas } = this.#options;
    const untilMs = link.deadline();
    if (replicas === 0 || !link.isReady) return this.#ask(args, untilMs);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { args, untilMs, resolve, reject, timer: undefined };
      waiting.timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(clusterError('a completion was not sent: replicas of Redis keep us waiting'));
      }, ANSWER_WITHIN_MS);
      this.#waiting.add(waiting);
      if (!this.#isBusy) void this.#sendAll();
    });
  }

  close(): void {
    for (const waiting of this.#taken()) {
      waiting.reject(clusterError('a completion was not sent: the connection was closed'));
    }
  }

  /** Sends what waits, with one WAIT behind it; then what came meanwhile. Never rejects. */
  async #sendAll(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.size > 0) {
      const batch = this.#taken();
      const asked = batch.map((waiting) => {
        return { waiting, answer: this.#ask(waiting.args, waiting.untilMs) };
      });
      const confirmed = this.#confirm(Math.min(...batch.map(({ untilMs }) => untilMs)));
      const settled = asked.map(({ waiting, answer }) => settle(waiting, answer, confirmed));
      await Promise.allSettled([confirmed, ...settled]);
    }
    this.#isBusy = false;
  }

  #taken(): Waiting[] {
    const batch = [...this.#waiting];
    this.#waiting.clear();
    for (const { timer } of batch) clearTimeout(timer);
    return batch;
  }

  async #ask(args: readonly string[], untilMs: number): Promise<Outcome> {
    const { link, keys } = this.#options;
    const answer = await link.ask(
      'a completion',
      (redis, notAfter) => redis.eval(COMPLETE, 3, ...keys, notAfter, ...args),
      untilMs,
    );
    if (answer === 'won' || answer === 'spent') return answer;
    throw clusterError('a completion got an answer from Redis that is none');
  }

  /** Rejects when too few replicas confirm all that was sent before. */
  async #confirm(untilMs: number): Promise<void> {
    const { link, replicas } = this.#options;
    const leftMs = Math.floor(link.leftMs(untilMs)) - WAY_BACK_MS;
    const waitMs = Math.max(1, Math.min(CONFIRM_WITHIN_MS, leftMs));
    const confirmed = await link.ask(
      'the confirmation of a completion by replicas',
      (redis) => redis.wait(replicas, waitMs),
      untilMs,
    );
    if (confirmed >= replicas) return;
    throw clusterError(
      `a completion was confirmed by ${confirmed} of the ${replicas} replicas that redis_wait asks ` +
        'for: it does not count, and a one-time sequence stays used',
    );
  }
}

/** A sequence that was used up before needs nobody's confirmation. */
async function settle(
  { resolve, reject }: Waiting,
  answer: Promise<Outcome>,
  confirmed: Promise<void>,
): Promise<void> {
  try {
    const outcome = await answer;
    if (outcome === 'won') await confirmed;
    resolve(outcome);
  } catch (error) {
    reject(error);
  }
}
