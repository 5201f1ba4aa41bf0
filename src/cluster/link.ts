import type { Redis } from 'ioredis';
import { type Clock, systemClock } from '../clock.js';
import { PosternError, reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { connect, hangUp, type RedisTarget } from '../redis/connect.js';
import { isLate } from './scripts/not-after.js';

/** A knock is refused within a second (T12), and the refusal has to be said too. */
export const ANSWER_WITHIN_MS = 900;
/** A server that is reading its file says so all the time; one that says nothing for so long hangs. */
const SILENCE_MAX_MS = 2000;
const REFUSED_PAUSE_MS = 1000;

export interface LinkOptions {
  readonly target: RedisTarget;
  readonly log: Log;
  readonly clock?: Clock | undefined;
  /** How often to ask for the time of Redis: to know it, and to notice that Redis hangs. */
  readonly probeEveryMs?: number;
  /** Called each time that `isReady` changed. */
  readonly onChange?: () => void;
}

/** A command on its way. */
interface Question {
  readonly what: string;
  fail(error: Error): void;
}

/**
 * One connection to the shared Redis that never sends anything twice, nor later than it was asked to.
 * Every command is answered in time or given up; one that is given up ends the connection, for a
 * server that hangs is out of reach though its socket is open, and a new one begins by itself.
 */
export class Link {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #options: LinkOptions;
  readonly #asked = new Set<Question>();
  readonly #waiting = new Set<() => void>();
  #isReady = false;
  #isClosed = false;
  #isSilent = false;
  #refusal: string | undefined;
  #probe: NodeJS.Timeout | undefined;
  #handshake: NodeJS.Timeout | undefined;
  /** The least that the clock of Redis can be ahead of our monotonic one, as last measured. */
  #offsetMs = 0;
  #aheadMs = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#redis = connect({ target: options.target, role: 'append', log: options.log });
    this.#redis.on('connect', () => this.#expectHandshake());
    this.#redis.on('ready', () => this.#begin());
    this.#redis.on('close', () => this.#lost());
  }

  /** Whether Redis answered on this connection and it has not been lost since. */
  get isReady(): boolean {
    // Its events come a moment after what they tell of.
    const { status, stream } = this.#redis;
    return this.#isReady && status === 'ready' && stream.writable;
  }

  /** Milliseconds that our wall clock is ahead of the clock of Redis. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** Monotonic milliseconds until when a command that is asked now is to be answered. */
  deadline(withinMs = ANSWER_WITHIN_MS): number {
    return this.#clock.now() + withinMs;
  }

  /** Milliseconds until that deadline. */
  leftMs(untilMs: number): number {
    return untilMs - this.#clock.now();
  }

  /**
   * Sends at once what `send` asks of Redis and gives the answer. `notAfterMs` is the deadline by the
   * clock of Redis, for scripts that refuse to run later (`scripts/not-after.ts`).
   *
   * Rejects with POSTERN_E_CLUSTER, naming `what` was asked: at once when the connection is not
   * ready, and then nothing was sent; when Redis refuses; when the connection is lost, or there is
   * no answer until the deadline, and then it is unknown whether it took place.
   */
  ask<T>(
    what: string,
    send: (redis: Redis, notAfterMs: number) => Promise<T>,
    untilMs = this.deadline(),
  ): Promise<T> {
    if (!this.isReady) {
      return Promise.reject(clusterError(`${what} was not sent: the shared Redis is out of reach`));
    }
    return this.#send(what, send, untilMs);
  }

  /** Asks for the time of Redis. Rejects as `ask` does. */
  async measure(): Promise<void> {
    await this.#measure(this.deadline());
  }

  /** Resolves when the connection is ready, or the signal aborts, or the link is closed. */
  async untilReady(signal: AbortSignal): Promise<void> {
    while (!this.isReady && !signal.aborted && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** Ends the connection at once. What is on its way rejects. */
  close(): void {
    this.#isClosed = true;
    hangUp(this.#redis);
    this.#lost();
  }

  #send<T>(
    what: string,
    send: (redis: Redis, notAfterMs: number) => Promise<T>,
    untilMs: number,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const question: Question = {
        what,
        fail: (error) => {
          clearTimeout(timer);
          this.#asked.delete(question);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        question.fail(unknown(what, 'there was no answer in time'));
        this.#giveUp();
      }, this.leftMs(untilMs));
      this.#asked.add(question);
      send(this.#redis, Math.floor(untilMs + this.#offsetMs)).then(
        (answer) => {
          clearTimeout(timer);
          this.#asked.delete(question);
          resolve(answer);
        },
        (error) => question.fail(this.#explained(what, error)),
      );
    });
  }

  #explained(what: string, error: unknown): PosternError {
    // The message only: ioredis puts the arguments of a command into the error object.
    const reason = reasonOf(error);
    if (!isReply(error)) return unknown(what, `then: ${reason}`);
    if (!isLate(reason)) return clusterError(`${what} failed: Redis says: ${reason}`);
    // Its clock may have been set, and is not what we know any more.
    if (this.isReady) this.measure().catch(() => undefined); // whoever asks next is told
    return clusterError(`${what} did not take place: it reached Redis too late`);
  }

  async #measure(untilMs: number): Promise<void> {
    const wallBefore = this.#clock.wall();
    const answer = await this.#send('the time', (redis) => redis.time(), untilMs);
    const [seconds, micros] = answer.map(Number);
    const redisMs = (seconds ?? 0) * 1000 + (micros ?? 0) / 1000;
    if (!Number.isFinite(redisMs)) throw clusterError('Redis gave a time that is none');
    this.#offsetMs = redisMs - this.#clock.now();
    this.#aheadMs = Math.round((wallBefore + this.#clock.wall()) / 2 - redisMs);
  }

  /** ioredis waits for ever for the answers to its first commands; a frozen server gives none. */
  #expectHandshake(): void {
    clearInterval(this.#handshake);
    if (this.#isClosed) return;
    let heard = 0;
    this.#handshake = setInterval(() => {
      const bytes = this.#redis.stream.bytesRead;
      if (bytes === heard) this.#giveUp();
      heard = bytes;
    }, SILENCE_MAX_MS);
  }

  #begin(): void {
    clearInterval(this.#handshake);
    if (this.#isClosed) return;
    this.#measure(this.deadline()).then(
      () => this.#ready(),
      (error) => this.#refused(reasonOf(error)),
    );
  }

  /** Redis is there but does not tell the time, as by an ACL: said once, and asked again. */
  #refused(reason: string): void {
    if (this.#redis.status !== 'ready' || this.#isClosed) return; // the next connection asks anew
    if (reason !== this.#refusal) this.#options.log.warn({ reason }, 'the shared Redis refuses us');
    this.#refusal = reason;
    this.#handshake = setTimeout(() => this.#begin(), REFUSED_PAUSE_MS);
  }

  #ready(): void {
    if (this.#isReady || this.#redis.status !== 'ready') return;
    this.#isReady = true;
    if (this.#isSilent) this.#options.log.info({}, 'the shared Redis answers again');
    this.#isSilent = false;
    this.#refusal = undefined;
    const { probeEveryMs, onChange } = this.#options;
    if (probeEveryMs !== undefined) this.#probe = setInterval(() => this.#ping(), probeEveryMs);
    this.#wakeAll();
    onChange?.();
  }

  #ping(): void {
    this.measure().catch((error) => {
      if (!this.#isClosed) this.#options.log.debug({ reason: reasonOf(error) }, 'no time of Redis');
    });
  }

  /** Ends a connection whose server does not answer; said once an outage. */
  #giveUp(): void {
    const { log } = this.#options;
    if (!this.#isSilent) log.warn({}, 'the shared Redis does not answer: connecting to it anew');
    this.#isSilent = true;
    this.#redis.stream?.destroy();
    this.#lost();
  }

  #lost(): void {
    clearInterval(this.#handshake);
    clearInterval(this.#probe);
    const wasReady = this.#isReady;
    this.#isReady = false;
    const ending = this.#isClosed ? 'it was closed' : 'the connection to Redis was lost';
    for (const question of [...this.#asked]) question.fail(unknown(question.what, ending));
    if (this.#isClosed) this.#wakeAll();
    if (wasReady) this.#options.onChange?.();
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

export function clusterError(message: string): PosternError {
  return new PosternError('POSTERN_E_CLUSTER', message);
}

/** An answer of the server's own, told from what ioredis says about a connection. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

function unknown(what: string, why: string): PosternError {
  return clusterError(`${what} was sent, but ${why}: it is unknown whether it took place`);
}
