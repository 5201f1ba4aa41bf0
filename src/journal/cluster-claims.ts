/**
 * The claims of the cluster that this host keeps, in a hash of its own Redis: claim -> grant. They
 * outlive the shared Redis, so that one that lost or hid a claim cannot make a used sequence open
 * this host's doors again (DESIGN 8).
 */
import type { Redis } from 'ioredis';
import { journalError } from './bounded.js';
import type { ClusterClaim } from './types.js';

/** So many are asked for or written at a time. */
const PAGE = 500;

/** The answer to a question to Redis, in bounded time; undefined: the journal is being closed. */
export type Ask = <T>(what: string, question: Promise<T>) => Promise<T | undefined>;

export class ClusterClaims {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #ask: Ask;

  constructor(redis: Redis, key: string, ask: Ask) {
    this.#redis = redis;
    this.#key = key;
    this.#ask = ask;
  }

  async remember(claims: readonly ClusterClaim[]): Promise<void> {
    for (let from = 0; from < claims.length; from += PAGE) {
      const page = claims.slice(from, from + PAGE);
      const keeping = page.map(({ claim, grant }) => this.#redis.hsetnx(this.#key, claim, grant));
      await this.#must('keep a claim of the cluster', Promise.all(keeping));
    }
  }

  async *all(): AsyncGenerator<ClusterClaim> {
    let cursor = '0';
    do {
      const question = this.#redis.hscan(this.#key, cursor, 'COUNT', PAGE);
      const [next, found] = await this.#must('tell the claims of the cluster', question);
      for (let at = 0; at + 1 < found.length; at += 2) {
        const [claim, grant] = found.slice(at, at + 2);
        if (claim !== undefined && grant !== undefined) yield { claim, grant };
      }
      cursor = next;
    } while (cursor !== '0');
  }

  async knows(claims: readonly string[]): Promise<readonly boolean[]> {
    if (claims.length === 0) return [];
    const what = 'tell the claims of the cluster';
    const kept = await this.#must(what, this.#redis.hmget(this.#key, ...claims));
    return claims.map((_, index) => typeof kept[index] === 'string');
  }

  async #must<T>(what: string, question: Promise<T>): Promise<T> {
    const answer = await this.#ask(what, question);
    if (answer === undefined) throw journalError(`the journal cannot ${what}: it is closed`);
    return answer;
  }
}
