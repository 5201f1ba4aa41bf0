/**
 * BullMQ, with every setting and its reason in this one place (DESIGN 11). A job only reminds: what
 * is done is decided by the arbiter that this host holds in memory, so a lost, doubled, late or
 * forged job can do no harm.
 */
import { type Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { reasonOf } from '../errors.js';
import type { JournalKey } from '../journal/key.js';
import type { Log } from '../log/types.js';
import { hangUp } from '../redis/connect.js';
import { type JobBody, type JobData, signJob, verifyJob } from './job-data.js';
import { jobId } from './keys.js';

/** Before the colon of all of BullMQ's keys. */
const PREFIX = 'postern';
/**
 * A worker that died is noticed after this, not after BullMQ's 30 s: twice the stalled interval
 * is what a close may be late by when the reconciler fails too.
 */
const LOCK_MS = 5000;
const STALLED_CHECK_MS = 2500;
/** Jobs hold no slot while a start command runs, so this only bounds what is asked of Redis. */
const CONCURRENCY = 100;
/** After an error of Redis; BullMQ would wait 15 s. */
const RETRY_FETCH_MS = 250;
/** BullMQ would keep 10,000 events of each queue, which nobody reads. */
const EVENTS_KEPT = 100;

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;

/** Milliseconds until a close that failed for the n-th time is tried again (G5). */
export function closeBackoffMs(attempt: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS);
}

/** What a worker does about a verified job. */
export type JobHandler = (job: JobBody) => Promise<void>;

export interface QueuesOptions {
  /** A connection whose commands wait through an outage (`maxRetriesPerRequest: null`). */
  readonly connect: () => Redis;
  readonly key: JournalKey;
  readonly log: Log;
}

export interface Queues {
  /** Adds a job that is due after so many milliseconds. Rejects when Redis refuses it. */
  add(body: JobBody, delayMs: number): Promise<void>;
  /** Starts the workers. */
  start(handlers: Readonly<Record<JobBody['kind'], JobHandler>>): void;
  /** Jobs since the start that did not verify. */
  readonly rejected: number;
  /** Ends workers and connections without waiting for jobs: what is left is found by the journal. */
  close(): Promise<void>;
}

export function createQueues({ connect, key, log }: QueuesOptions): Queues {
  const connections: Redis[] = [];
  const blocking: Redis[] = [];
  const workers: Worker<JobData>[] = [];
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
  const queue = (name: JobBody['kind']) => {
    const created = new Queue<JobData>(name, {
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
    created.on('error', reportError(name));
    return created;
  };
  const queues = { open: queue('open'), close: queue('close') };

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

  async function process(
    name: JobBody['kind'],
    handle: JobHandler,
    job: Job<JobData>,
  ): Promise<void> {
    const body = verifyJob(key, name, job.data);
    if (body === undefined) reject(name);
    else await handle(body);
  }

  function startWorker(name: JobBody['kind'], handle: JobHandler): void {
    const worker = new Worker<JobData>(name, (job) => process(name, handle, job), {
      connection: connection(),
      prefix: PREFIX,
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      // A close is worth any number of tries; an opening is never repeated, and its arbiter knows.
      maxStalledCount: name === 'close' ? 1_000_000 : 1,
      runRetryDelay: RETRY_FETCH_MS,
    });
    worker.on('error', reportError(name));
    workers.push(worker);
  }

  async function add(body: JobBody, delayMs: number): Promise<void> {
    await queues[body.kind].add(body.kind, signJob(key, body), {
      jobId: jobId(body.kind, body.grant, body.round),
      delay: Math.max(0, Math.ceil(delayMs)),
    });
  }

  return {
    add,
    start(handlers) {
      startWorker('open', handlers.open);
      startWorker('close', handlers.close);
    },
    get rejected() {
      return rejected;
    },
    async close() {
      const ending = [...workers, queues.open, queues.close].map((each) =>
        each instanceof Worker ? each.close(true) : each.close(),
      );
      for (const redis of connections) hangUp(redis);
      await Promise.allSettled(ending);
      for (const redis of blocking) hangUp(redis);
    },
  };
}
