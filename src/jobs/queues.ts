/** The jobs of grants: one queue reminds of what is to be opened, the other of what is to be closed. */
import type { JournalKey } from '../journal/key.js';
import { type BullOptions, createBull, type JobKind } from './bull.js';
import { type JobBody, signJob, verifyJob } from './job-data.js';
import { jobId } from './keys.js';

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;

/** Milliseconds until a close that failed for the n-th time is tried again (G5). */
export function closeBackoffMs(attempt: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS);
}

/** What a worker does about a verified job. */
export type JobHandler = (job: JobBody) => Promise<void>;

export interface QueuesOptions extends BullOptions {
  readonly key: JournalKey;
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

export function createQueues({ key, ...options }: QueuesOptions): Queues {
  const bull = createBull(options);
  const kind = (name: JobBody['kind'], maxStalledCount: number): JobKind<JobBody> => ({
    name,
    maxStalledCount,
    id: ({ grant, round }) => jobId(name, grant, round),
    sign: (body) => signJob(key, body),
    verify: (data) => verifyJob(key, name, data),
  });
  const queues = {
    // An opening is never repeated, and its arbiter knows; a close is worth any number of tries.
    open: bull.queue(kind('open', 1)),
    close: bull.queue(kind('close', 1_000_000)),
  };
  return {
    add: (body, delayMs) => queues[body.kind].add(body, delayMs),
    start(handlers) {
      queues.open.work(handlers.open);
      queues.close.work(handlers.close);
    },
    get rejected() {
      return bull.rejected;
    },
    close: () => bull.close(),
  };
}
