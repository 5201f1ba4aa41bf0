/** A host whose doors tell others: real Redis, journal and grants, and sinks that tests hold. */
import type { Door } from '../../config/types.js';
import type { SinkEvent } from '../../sinks/settings.js';
import type { DeliveryPolicy, Sink, SinkCall, SinkGrant } from '../../sinks/types.js';
import { createDeliveries } from '../../src/deliveries/deliveries.js';
import type { Deliveries, DeliveriesOptions } from '../../src/deliveries/types.js';
import { createGrants } from '../../src/jobs/grants.js';
import type { Grants } from '../../src/jobs/types.js';
import type { EventOf, EventType, JournalEvent } from '../../src/journal/events.js';
import type { RedisJournal } from '../../src/journal/redis-journal.js';
import { grantOf, HOST, SOURCE, TestHost } from '../jobs/host.js';
import { testDoor } from '../support/door.js';
import { poll } from '../support/poll.js';

/** One call of a sink that tells. */
export interface Told extends SinkCall {
  /** What a receiver would know it by. */
  readonly id: string;
  readonly signal: AbortSignal;
}

/** A sink that tells, and does with each call what the test says. */
export class TellingSink {
  readonly told: Told[] = [];
  answer: (call: Told) => Promise<void> | void = () => {};
  /** Milliseconds after each failed attempt; undefined: no more. */
  delaysMs: readonly number[] = [50, 50, 50, 50, 50, 50, 50, 50, 50, 50];
  /** Of `together`. */
  readonly batches: (readonly Told[])[] = [];
  readonly sink: Sink;

  constructor(
    readonly name: string,
    events: readonly SinkEvent[] = ['open', 'close', 'failed'],
    collectMs?: number,
  ) {
    const policy: DeliveryPolicy = {
      retryAfterMs: (attempt) => this.delaysMs[attempt - 1],
      ...(collectMs !== undefined && { collectMs }),
    };
    this.sink = {
      name,
      delivery: policy,
      open: (grant, signal) => this.#tell('open', grant, signal),
      ...(events.includes('close') && {
        close: (grant: SinkGrant, signal: AbortSignal) => this.#tell('close', grant, signal),
      }),
      ...(events.includes('failed') && {
        failed: (grant: SinkGrant, reason: string, signal: AbortSignal) =>
          this.#tell('failed', grant, signal, reason),
      }),
      ...(collectMs !== undefined && {
        together: async (calls: readonly SinkCall[], signal: AbortSignal) => {
          const batch = calls.map((call) => ({ ...call, id: idOf(name, call), signal }));
          this.batches.push(batch);
          this.told.push(...batch);
          const [first] = batch;
          if (first !== undefined) await this.answer(first);
        },
      }),
    };
  }

  events(): string[] {
    return this.told.map(({ event }) => event);
  }

  async #tell(event: SinkEvent, grant: SinkGrant, signal: AbortSignal, reason?: string) {
    const call = { event, grant, atMs: grant.atMs ?? 0, ...(reason !== undefined && { reason }) };
    const told = { ...call, id: idOf(this.name, call), signal };
    this.told.push(told);
    await this.answer(told);
  }
}

function idOf(sink: string, { event, grant, reason }: SinkCall): string {
  return JSON.stringify([sink, grant.id, event, reason ?? '']);
}

/** A sink that acts, as nftables does; what it was asked for, and when (monotonic ms). */
export class ActingSink {
  readonly asked: { readonly what: string; readonly id: string; readonly atMs: number }[] = [];
  answer: (what: string) => Promise<void> | void = () => {};
  readonly sink: Sink;

  constructor(
    readonly name = 'nftables',
    kernelTimed = true,
  ) {
    const act = (what: string) => async (grant: SinkGrant) => {
      this.asked.push({ what, id: grant.id, atMs: performance.now() });
      await this.answer(what);
    };
    this.sink = { name, kernelTimed, open: act('open'), close: act('close') };
  }
}

export interface Running {
  readonly deliveries: Deliveries;
  readonly grants: Grants;
  readonly journal: RedisJournal;
  stop(): Promise<void>;
  /** Ends without a word to the journal, as a kill would. */
  crash(): Promise<void>;
}

export class DeliveryHost {
  /** Raw, by the door's name. */
  readonly #sinks = new Map<string, readonly Sink[]>();
  readonly #doors = new Map<string, Door>();
  readonly #running = new Set<Running>();

  private constructor(readonly base: TestHost) {}

  static async start(): Promise<DeliveryHost> {
    return new DeliveryHost(await TestHost.start());
  }

  async reset(): Promise<void> {
    for (const running of this.#running) await running.stop();
    this.#sinks.clear();
    this.#doors.clear();
    await this.base.reset();
  }

  async end(): Promise<void> {
    for (const running of this.#running) await running.stop();
    await this.base.end();
  }

  /** A door with these sinks, in this order. */
  door(name: string, sinks: readonly Sink[], overrides: Partial<Door> = {}): Door {
    const door = testDoor({ name, cmdTimeoutMs: 200, reknock: 'rerun', ...overrides });
    this.#doors.set(name, door);
    this.#sinks.set(name, sinks);
    return door;
  }

  /** From now on the configuration has no such sinks; the door stays. */
  forget(door: Door): void {
    this.#sinks.delete(door.name);
  }

  async run(overrides: Partial<DeliveriesOptions> = {}): Promise<Running> {
    const { key, log } = this.base;
    const journal = await this.base.openJournal();
    const sinksOf = (door: Door) => this.#sinks.get(door.name) ?? [];
    const common = {
      ...{ journal, key, host: HOST, log },
      connect: () => this.base.connect(),
      catalog: { find: async (name: string) => this.#doors.get(name) },
    };
    const deliveries = createDeliveries({ ...common, sinksOf, ...overrides });
    const grants = createGrants({
      ...common,
      sinksFor: (door) => sinksOf(door).map((sink) => deliveries.handOver(sink)),
      observe: deliveries.observe,
      keepFrom: () => deliveries.oldest(),
      closeBackoffMs: () => 20,
    });
    const stop = async () => {
      this.#running.delete(running);
      await grants.stop();
      await deliveries.stop();
      await journal.close();
    };
    const crash = async () => {
      await journal.close();
      await stop();
    };
    const running = { deliveries, grants, journal, stop, crash };
    this.#running.add(running);
    await deliveries.recover();
    await grants.recover();
    return running;
  }

  /** Somebody knocks; resolves with the grant. */
  async knock({ grants }: Running, door: Door, source = SOURCE): Promise<string> {
    return grantOf(await grants.complete({ door, source, configuration: 'c1' }));
  }

  events(running: Running): Promise<JournalEvent[]> {
    return events(running.journal);
  }

  /** The events of one type, once there are so many. */
  eventsOf<T extends EventType>(
    running: Running,
    type: T,
    count = 1,
    timeoutMs = 5000,
  ): Promise<(JournalEvent & EventOf<T>)[]> {
    return poll(
      async () => {
        const found = (await this.events(running)).filter(
          (event): event is JournalEvent & EventOf<T> => event.type === type,
        );
        return found.length >= count && found;
      },
      `${count} ${type}`,
      timeoutMs,
    );
  }

  /** Resolves when nothing is owed. */
  settled({ deliveries }: Running, timeoutMs = 5000): Promise<true> {
    return poll(() => deliveries.status().length === 0, 'nothing is owed', timeoutMs);
  }
}

async function events(journal: RedisJournal): Promise<JournalEvent[]> {
  const found: JournalEvent[] = [];
  for await (const event of journal.read()) found.push(event);
  return found;
}

/** Never answers, but ends when it is told to. */
export function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
