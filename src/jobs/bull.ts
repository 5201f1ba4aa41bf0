/**
 * BullMQ, with every setting and its reason in this one place (DESIGN 11). A job only reminds: what
 * is done is decided by what this host holds in memory, so a lost, doubled, late or forged job can do
 * no harm.
 */
import { type Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { hangUp } from '../redis/connect.js';

/** Before the colon of all of BullMQ's keys. */
const PREFIX = 'postern';
/**
 * A worker that died is noticed after this, not after BullMQ's 30 s: twice the stalled interval
 * is what a close may be late by when the reconciler fails too.
 */
const LOCK_MS = 5000;
const STALLED_CHECK_MS = 2500;
/** Jobs hold no slot while anything runs, so this only bounds what is asked of Redis. */
const CONCURRENCY = 100;
/** After an error of Redis; BullMQ would wait 15 s. */
const RETRY_FETCH_MS = 250;
/** BullMQ would keep 10,000 events of each queue, which nobody reads. */
const EVENTS_KEPT = 100;

export interface BullOptions {
  /** A connection whose commands wait through an outage (`maxRetriesPerRequest: null`). */
  readonly connect: () => Redis;
  readonly log: Log;
}

/** One kind of job. */
export interface JobKind<Body> {
  /** Of its queue. */
  readonly name: string;
  /** How often it is handed out again after a worker died with it. */
  readonly maxStalledCount: number;
  /** While a job of that id is there, another one is not taken. Without `:`. */
  id(body: Body): string;
  /** What stands in Redis, which `verify` tells from what anybody else wrote. */
  sign(body: Body): object;
  verify(data: unknown): Body | undefined;
}

export interface JobQueue<Body> {
  /** Adds a job that is due after so many milliseconds. Rejects when Redis refuses it. */
  add(body: Body, delayMs: number): Promise<void>;
  /** Starts the worker; it hands over verified jobs only. */
  work(handle: (body: Body) => Promise<void>): void;
}

export interface Bull {
  queue<Body>(kind: JobKind<Body>): JobQueue<Body>;
  /** Jobs since the start that did not verify. */
  readonly rejected: number;
  /** Ends workers and connections without waiting for jobs: what is left is found by the journal. */
  close(): Promise<void>;
}

export function createBull({ connect, log }: BullOptions): Bull {
  const connections: Redis[] = [];
  const blocking: Redis[] = [];
  const ends: (() => Promise<void>)[] = [];
  let rejected = 0;

  function owned(redis: Redis, list: Redis[]): Redis {
    // Redis.on('error') without a listener would end the process.
    redis.on('error', () => {});
    list.push(redis);
    return redis;
  }

  function connection(): Redis {
    const redis = owned(connect(), connections);
    // A worker makes another one for its blocking reads, and forgets it when it is closed during an
    // outage: it would try to connect for ever.
    const duplicate = redis.duplicate.bind(redis);
    redis.duplicate = (override) => owned(duplicate(override), blocking);
    return redis;
  }

  const adding = connection();

  function reportError(name: string) {
    let last = '';
    return (error: unknown) => {
      const reason = reasonOf(error);
      if (reason !== last) log.warn({ queue: name, reason }, 'the queue has trouble');
      last = reason;
    };
  }

  function reject(name: string): void {
    rejected += 1;
    // Whoever writes into our Redis must not fill the log as well.
    if (rejected <= 10 || rejected % 1000 === 0)
      log.error({ queue: name, rejected }, 'a job that nobody here wrote was dropped');
  }

  function startWorker(
    name: string,
    maxStalledCount: number,
    take: (data: unknown) => Promise<void>,
  ): void {
    const worker = new Worker(name, ({ data }: Job<unknown>) => take(data), {
      connection: connection(),
      prefix: PREFIX,
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount,
      runRetryDelay: RETRY_FETCH_MS,
    });
    worker.on('error', reportError(name));
    ends.unshift(() => worker.close(true));
  }

  return {
    queue({ name, maxStalledCount, id, sign, verify }) {
      const queue = new Queue(name, {
        connection: adding,
        prefix: PREFIX,
        streams: { events: { maxLen: EVENTS_KEPT } },
        defaultJobOptions: {
          // The journal remembers; a finished job is of no use to anybody.
          removeOnComplete: true,
          removeOnFail: true,
          stackTraceLimit: 0,
        },
      });
      queue.on('error', reportError(name));
      ends.push(() => queue.close());
      return {
        async add(body, delayMs) {
          const delay = Math.max(0, Math.ceil(delayMs));
          await queue.add(name, sign(body), { jobId: id(body), delay });
        },
        work(handle) {
          startWorker(name, maxStalledCount, async (data) => {
            const body = verify(data);
            if (body === undefined) reject(name);
            else await handle(body);
          });
        },
      };
    },
    get rejected() {
      return rejected;
    },
    async close() {
      const ending = ends.map((end) => end());
      for (const redis of connections) hangUp(redis);
      await Promise.allSettled(ending);
      for (const redis of blocking) hangUp(redis);
    },
  };
}
