import type { Redis } from 'ioredis';
import { ANSWER_WITHIN_MS, clusterError, type Link } from './link.js';

/** Replicas are waited for so long at most. */
const CONFIRM_WITHIN_MS = 500;
/** For the answer's way; Redis with its usual `hz 10` ends a WAIT up to 100 ms late besides. */
const WAY_BACK_MS = 200;

export interface ConfirmationsOptions {
  /** A connection of its own: WAIT holds up whatever comes behind it. */
  readonly link: Link;
  /** `redis_wait`; 0: an answer of the server alone will do. */
  readonly replicas: number;
}

/** A change of the shared Redis. */
export interface Change<T> {
  /** In words, for errors. */
  readonly what: string;
  readonly send: (redis: Redis, notAfterMs: number) => Promise<T>;
  /** Monotonic ms. Absent: as long as any command. */
  readonly untilMs?: number | undefined;
  /** An answer that changed nothing needs nobody's confirmation. */
  readonly isChanged?: (answer: T) => boolean;
}

interface Waiting {
  readonly untilMs: number;
  /** Sends it, and gives what settles it. */
  begin(): (confirmed: Promise<void>) => Promise<void>;
  reject(error: unknown): void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Changes what a failover must not undo in the shared Redis, and asks the replicas, when so
 * configured.
 *
 * WAIT means all that its connection wrote before, so one WAIT confirms every change that was sent
 * before it, whatever else slips in between: more is waited for then, never less. But it must go
 * over the same connection: on a new one, which wrote nothing, it confirms at once. So they are sent
 * in one go, neither is ever sent again, and what comes meanwhile goes with the next WAIT.
 */
export class Confirmations {
  readonly #options: ConfirmationsOptions;
  readonly #waiting = new Set<Waiting>();
  #isBusy = false;

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
  }

  /** Rejects with POSTERN_E_CLUSTER; then it does not count, and may have taken place. */
  change<T>({ what, send, untilMs: until, isChanged = () => true }: Change<T>): Promise<T> {
    const { link, replicas } = this.#options;
    const untilMs = until ?? link.deadline();
    if (replicas === 0 || !link.isReady) return link.ask(what, send, untilMs);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        untilMs,
        begin: () => {
          const answered = link.ask(what, send, untilMs);
          return async (confirmed) => {
            try {
              const answer = await answered;
              if (isChanged(answer)) await confirmed;
              resolve(answer);
            } catch (error) {
              reject(error);
            }
          };
        },
        reject,
        timer: undefined,
      };
      waiting.timer = setTimeout(
        () => {
          this.#waiting.delete(waiting);
          reject(clusterError(`${what} was not sent: replicas of Redis keep us waiting`));
        },
        Math.min(ANSWER_WITHIN_MS, link.leftMs(untilMs)),
      );
      this.#waiting.add(waiting);
      if (!this.#isBusy) void this.#sendAll();
    });
  }

  close(): void {
    for (const waiting of this.#taken()) {
      waiting.reject(clusterError('a change was not sent: the connection was closed'));
    }
  }

  /** Sends what waits, with one WAIT behind it; then what came meanwhile. Never rejects. */
  async #sendAll(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.size > 0) {
      const batch = this.#taken();
      const settle = batch.map((waiting) => waiting.begin());
      const confirmed = this.#confirm(Math.min(...batch.map(({ untilMs }) => untilMs)));
      await Promise.allSettled([confirmed, ...settle.map((each) => each(confirmed))]);
    }
    this.#isBusy = false;
  }

  #taken(): Waiting[] {
    const batch = [...this.#waiting];
    this.#waiting.clear();
    for (const { timer } of batch) clearTimeout(timer);
    return batch;
  }

  /** Rejects when too few replicas confirm all that was sent before. */
  async #confirm(untilMs: number): Promise<void> {
    const { link, replicas } = this.#options;
    const leftMs = Math.floor(link.leftMs(untilMs)) - WAY_BACK_MS;
    const waitMs = Math.max(1, Math.min(CONFIRM_WITHIN_MS, leftMs));
    const confirmed = await link.ask(
      'the confirmation by replicas',
      (redis) => redis.wait(replicas, waitMs),
      untilMs,
    );
    if (confirmed >= replicas) return;
    throw clusterError(
      `it was confirmed by ${confirmed} of the ${replicas} replicas that redis_wait asks for: ` +
        'it does not count, and a one-time sequence stays used',
    );
  }
}
