/**
 * Telling others: what the grants' events make owed, at least once each, over restarts and outages.
 * The journal is the truth here too: an attempt's outcome is an event, and what has none is owed.
 */
import type { Sink } from '../../sinks/types.js';
import { systemClock } from '../clock.js';
import { reasonOf } from '../errors.js';
import { createBull } from '../jobs/bull.js';
import { createLedger } from '../jobs/ledger.js';
import { within } from '../jobs/within.js';
import { oldestOf } from '../journal/ids.js';
import { type Reminder, reminderId, signReminder, verifyReminder } from './job-data.js';
import { Lane, type LaneContext, type Progress } from './lane.js';
import { isReport, owedFor } from './owed.js';
import { readPast } from './past.js';
import type { Deliveries, DeliveriesOptions, Delivery } from './types.js';

const TICK_MS = 1000;
/** A sink that has not ended by then is let go of. */
const ATTEMPT_MS = 300_000;
/** Of the 200 ms that `stop` may take: attempts may end well, then they and the queue end at all. */
const STOP_GRACE_MS = 80;
const STOP_WAIT_MS = 50;

export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { journal, key, log, sinksOf, clock = systemClock } = options;
  const ledger = createLedger(journal, log);
  const bull = createBull(options);
  const queue = bull.queue<Reminder>({
    name: 'deliver',
    maxStalledCount: 1,
    id: reminderId,
    sign: (reminder) => signReminder(key, reminder),
    verify: (data) => verifyReminder(key, data),
  });
  const lanes = new Map<string, Lane>();
  const context: LaneContext = {
    ...{ clock, log, sinksOf, attemptMs: options.attemptMs ?? ATTEMPT_MS },
    remind(name, attempt, delayMs) {
      queue.add({ name, attempt }, delayMs).catch((error: unknown) => {
        if (stopping) return;
        log.debug({ sink: name.sink, reason: reasonOf(error) }, 'no job: the tick will see to it');
      });
    },
    note: (event) => void ledger.note(event),
  };
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;

  function laneOf(sink: string): Lane {
    const lane = lanes.get(sink) ?? new Lane(sink, context);
    lanes.set(sink, lane);
    return lane;
  }

  const owe = (delivery: Delivery, progress?: Progress) =>
    laneOf(delivery.name.sink).owe(delivery, progress);

  function tick(): void {
    void ledger.settle();
    for (const lane of lanes.values()) lane.tick();
  }

  async function takeOver(): Promise<void> {
    const { owed, lost } = await readPast(journal.read(), { ...options, clock });
    for (const { delivery, progress } of owed) owe(delivery, progress);
    for (const { name, attempts } of lost) {
      const reason = 'the configuration has no such sink any more';
      log.error({ ...name, reason }, 'not delivered, and given up');
      const about = { ...name, attempt: attempts + 1, reason };
      void ledger.note({ type: 'DeliveryFailed', ...about, final: true });
    }
    if (owed.length === 0) return;
    log.info({ owed: owed.length }, 'what an earlier run had still to tell is told now');
  }

  const deliveries = () => [...lanes.values()].flatMap((lane) => lane.deliveries);

  return {
    handOver,
    observe(event, state, door) {
      if (stopping || !isReport(event)) return;
      try {
        const atMs = event.happenedAtMs ?? Math.floor(clock.wall());
        for (const delivery of owedFor(event, { state, door, atMs }, sinksOf(door))) owe(delivery);
      } catch (error) {
        // Whoever opens and closes doors must not fail over what is told of it.
        log.error({ grant: event.grant, reason: reasonOf(error) }, 'nobody could be told of it');
      }
    },
    async recover() {
      await takeOver();
      queue.work(async ({ name, attempt }) => lanes.get(name.sink)?.begin(name, attempt));
      timer = setInterval(tick, TICK_MS);
    },
    oldest: () => oldestOf(deliveries().map(({ eventId }) => eventId)),
    referenced: () => new Set(deliveries().map(({ configuration }) => configuration)),
    status: () => [...lanes.values()].flatMap((lane) => lane.status() ?? []),
    get rejectedJobs() {
      return bull.rejected;
    },
    async stop() {
      if (stopping) return;
      stopping = true;
      clearInterval(timer);
      const all = [...lanes.values()];
      for (const lane of all) lane.stop();
      const ended = Promise.all(all.map((lane) => lane.ended()));
      // One that is about to be told is not told twice then.
      await within(STOP_GRACE_MS, ended);
      for (const lane of all) lane.breakOff();
      await within(STOP_WAIT_MS, Promise.all([ended, bull.close()]));
      await within(STOP_WAIT_MS, ledger.settle());
      ledger.close();
    },
  };
}

/** See `Deliveries.handOver`. */
function handOver(sink: Sink): Sink {
  const { name, delivery, close } = sink;
  if (delivery === undefined) return sink;
  // The events of the grant say what is owed, now and after a crash; so there is nothing to do here.
  const done = async () => {};
  return {
    ...{ name, delivery, open: done },
    // It leaves nothing open that anybody would have to take back.
    kernelTimed: true,
    ...(close !== undefined && { close: done }),
  };
}
