/** Everything right of the journal in the picture of DESIGN: wires the parts of this room. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Door } from '../../config/types.js';
import type { Sink } from '../../sinks/types.js';
import { type Clock, systemClock } from '../clock.js';
import { PosternError, reasonOf } from '../errors.js';
import { oldestOf } from '../journal/ids.js';
import type { JournalKey } from '../journal/key.js';
import type { Journal } from '../journal/types.js';
import type { Log } from '../log/types.js';
import { accept } from './accept.js';
import { createAccepted } from './accepted.js';
import type { Arbiter } from './arbiter.js';
import { createCooldowns } from './cooldowns.js';
import { complete } from './dispatch.js';
import type { JobBody } from './job-data.js';
import { createLedger } from './ledger.js';
import { closeBackoffMs, createQueues } from './queues.js';
import { RECONCILE_EVERY_MS, reconcile } from './reconciler.js';
import type { ObserveGrant } from './record.js';
import { type RecoveryContext, recover } from './recovery.js';
import { createRegistry, liveGrants } from './registry.js';
import { revoke } from './revoke.js';
import { journalWithSteps, type ReachStep } from './steps.js';
import type { DispatchResult, DoorCatalog, Grants, LiveGrant } from './types.js';
import { watchWallClock } from './wall-jumps.js';
import { within } from './within.js';

export interface GrantsOptions {
  readonly journal: Journal;
  /** A new connection to the Redis of the queues; its role is `worker`. */
  readonly connect: () => Redis;
  readonly key: JournalKey;
  /** This host's name, as the journal knows it. */
  readonly host: string;
  readonly catalog: DoorCatalog;
  /** What acts on the grants of a door for that source; empty: the door runs nothing for it. */
  readonly sinksFor: (door: Door, source: string) => readonly Sink[];
  /** Restores what sinks remember of the grants that live on from before; called by `recover`. */
  readonly restoreSinks?: (live: readonly LiveGrant[]) => Promise<void>;
  /** Stream id of an event that somebody else still needs: a trim leaves it and all that follow. */
  readonly keepFrom?: () => string | undefined;
  /** Told of each event of each grant as it happens, with the state it led to; must not throw. */
  readonly observe?: ObserveGrant;
  readonly log: Log;
  readonly clock?: Clock;
  /** Milliseconds after the n-th failed close; for tests. */
  readonly closeBackoffMs?: (attempt: number) => number;
  /** Told of each durable step of a grant's life; for tests. */
  readonly reach?: ReachStep | undefined;
  /**
   * Which of what opens and closes a door is at work (DESIGN 7); for tests that take something away.
   * Without `direct`, a completion is opened by a job, as what had to wait is.
   */
  readonly layers?: Layers;
}

export interface Layers {
  readonly direct?: boolean;
  readonly queue: boolean;
  readonly reconciler: boolean;
}

/** A job that is early by no more than this waits; BullMQ counts in whole milliseconds. */
const ROUNDING_MS = 50;
const ALL_LAYERS: Layers = { queue: true, reconciler: true };
const TRIM_EVERY_MS = 60_000;
/** Of the second that `stop` may take: for queues and commands to end, and for the last events. */
const STOP_WAIT_MS = 400;
/** A revocation waits so long for knocks that are on their way into the journal. */
const DECIDED_WITHIN_MS = 1000;

export function createGrants(options: GrantsOptions): Grants {
  const { log, key, clock = systemClock, reach = () => {} } = options;
  const journal = options.reach ? journalWithSteps(options.journal, reach) : options.journal;
  const registry = createRegistry();
  const cooldowns = createCooldowns();
  const accepted = createAccepted();
  const deciding = new Set<Promise<DispatchResult>>();
  const ledger = createLedger(journal, log);
  const queues = createQueues({ connect: options.connect, key, log });
  const { layers = ALL_LAYERS } = options;
  const jumpedMs = watchWallClock(clock);
  const context: RecoveryContext = {
    ...options,
    restoreSinks: options.restoreSinks ?? (async () => {}),
    reach,
    journal,
    clock,
    registry,
    cooldowns,
    accepted,
    ledger,
    closeBackoffMs: options.closeBackoffMs ?? closeBackoffMs,
    scheduleOpen: (arbiter) => enqueue('open', arbiter, 0),
    // Not by a job, as what had to wait is: a job takes Redis twice as long as the journal does.
    openNow: (arbiter) => {
      if (layers.direct === false) enqueue('open', arbiter, 0);
      else void arbiter.open();
    },
    scheduleClose: (arbiter) => {
      if (arbiter.deadlineMs !== null) {
        enqueue('close', arbiter, arbiter.deadlineMs - clock.now());
      }
    },
  };
  let timer: NodeJS.Timeout | undefined;
  let trimmedMs = clock.now();
  let stopping = false;

  function enqueue(kind: JobBody['kind'], arbiter: Arbiter, delayMs: number): void {
    if (stopping || !layers.queue) return;
    const { id: grant, round } = arbiter;
    const { door, source } = arbiter.state.context;
    queues.add({ kind, grant, door, source, round }, delayMs).then(
      () => reach(kind === 'open' ? 'open-job' : 'close-job'),
      (error: unknown) => {
        if (stopping) return;
        log.warn({ grant, kind, reason: reasonOf(error) }, 'no job: the reconciler will see to it');
      },
    );
  }

  async function onOpenJob({ grant }: JobBody): Promise<void> {
    // A job of an earlier run, or a repeated one, finds no grant that waits for it.
    await registry.find(grant)?.open();
  }

  async function onCloseJob({ grant, round }: JobBody): Promise<void> {
    const arbiter = registry.find(grant);
    if (arbiter === undefined || arbiter.round !== round) return;
    for (;;) {
      const result = await arbiter.close('deadline');
      if (result.kind !== 'early') return;
      if (result.leftMs > ROUNDING_MS) {
        arbiter.remind();
        return;
      }
      // Timers count in whole milliseconds, and may be early by one.
      await sleep(Math.ceil(result.leftMs));
    }
  }

  /** Jobs whose time was counted by another wall clock are asked for anew. */
  function afterJump(jumpMs: number): void {
    if (jumpMs === 0) return;
    log.warn(
      { seconds: Math.round(jumpMs / 1000) },
      'the wall clock was set; open doors keep to time',
    );
    for (const arbiter of registry.all()) arbiter.remind();
  }

  function tick(): void {
    void ledger.settle();
    afterJump(jumpedMs());
    if (layers.reconciler) void reconcile(context);
    cooldowns.purge(clock.now());
    if (clock.now() - trimmedMs < TRIM_EVERY_MS) return;
    trimmedMs = clock.now();
    accepted.purge(clock.wall());
    const keepFrom = oldestOf([registry.oldest(), options.keepFrom?.()]);
    journal.trim(keepFrom).catch((error: unknown) => {
      log.warn({ reason: reasonOf(error) }, 'the journal could not be trimmed');
    });
  }

  /** What has not been decided about is not known to the registry, nor to a revocation. */
  async function decided(decide: () => Promise<DispatchResult>): Promise<DispatchResult> {
    if (stopping) throw new PosternError('POSTERN_E_JOURNAL', 'postern is ending');
    const result = decide();
    deciding.add(result);
    try {
      return await result;
    } finally {
      deciding.delete(result);
    }
  }

  return {
    async recover() {
      await recover(context);
      if (layers.queue) queues.start({ open: onOpenJob, close: onCloseJob });
      timer = setInterval(tick, RECONCILE_EVERY_MS);
    },
    complete: (completion) => decided(() => complete(completion, context)),
    accept: (order) => decided(() => accept(order, context)),
    async revoke(door, source, before) {
      await within(DECIDED_WITHIN_MS, Promise.allSettled(deciding));
      return revoke({ door, source, before }, registry);
    },
    status: () => registry.status(clock.now()),
    live: () => liveGrants(registry.all()),
    referenced: () => registry.referenced(),
    get rejectedJobs() {
      return queues.rejected;
    },
    async closeAll(cause) {
      await Promise.all(registry.all().map((arbiter) => arbiter.close(cause)));
      await ledger.settle();
    },
    async stop() {
      if (stopping) return;
      stopping = true;
      clearInterval(timer);
      const letGo = registry.all().map((arbiter) => arbiter.letGo());
      await within(STOP_WAIT_MS, Promise.all([queues.close(), ...letGo]));
      await within(STOP_WAIT_MS, ledger.settle());
      ledger.close();
    },
  };
}
