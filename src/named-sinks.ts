/**
 * The sinks that doors name: those of the running configuration, and of earlier ones that grants still
 * refer to (G7). Sections that say the same are one sink, however often they are read.
 */
import type { Door } from '../config/types.js';
import type { SinkSettings } from '../sinks/settings.js';
import type { Sink } from '../sinks/types.js';
import type { KeptConfiguration } from './configurations.js';
import type { Log } from './log/types.js';
import { LOADING, type Loading, NamedSink } from './named-sink.js';

export interface SinkProblem {
  readonly sink: SinkSettings;
  readonly reason: string;
}

export class NamedSinks {
  /** By what the section says. Whoever has a door with it keeps it; nobody, and it may go. */
  readonly #known = new Map<string, WeakRef<NamedSink>>();
  readonly #ofDoor = new WeakMap<Door, readonly NamedSink[]>();
  #running: readonly { readonly settings: SinkSettings; readonly sink: NamedSink }[] = [];

  constructor(
    private readonly log: Log,
    private readonly loading: Loading = LOADING,
  ) {}

  /**
   * The running configuration, at the start and at each reload: files that changed are read again,
   * also those of earlier configurations. Never rejects; see `problems`.
   */
  async load(configuration: KeptConfiguration): Promise<void> {
    const sinks = this.#take(configuration);
    this.#running = configuration.sinks.map((settings) => ({
      settings,
      sink: this.#sinkOf(settings),
    }));
    for (const [key, known] of this.#known) {
      const sink = known.deref();
      if (sink === undefined) this.#known.delete(key);
      else sinks.add(sink);
    }
    await loadAll(sinks);
  }

  /** An earlier configuration whose doors are asked for from now on. Never rejects. */
  async learn(configuration: KeptConfiguration): Promise<void> {
    await loadAll(this.#take(configuration));
  }

  /** The sinks of a door as its configuration has them, in its order. */
  of(door: Door): readonly Sink[] {
    return (this.#ofDoor.get(door) ?? []).map(({ sink }) => sink);
  }

  /**
   * The same, but those that tell others as the running configuration has them, by their names: where
   * it says that they have moved, or are no more, what is owed to them goes with it.
   */
  ofNow(door: Door): readonly Sink[] {
    const now = new Map(this.#running.map(({ settings, sink }) => [settings.name, sink.sink]));
    return this.of(door).flatMap((sink) =>
      sink.delivery === undefined ? sink : (now.get(sink.name) ?? []),
    );
  }

  /** What is wrong with the running configuration's. */
  get problems(): readonly SinkProblem[] {
    return this.#running.flatMap(({ settings, sink: { problem } }) =>
      problem === undefined ? [] : [{ sink: settings, reason: problem }],
    );
  }

  /** Those that its doors name; each door knows its own from now on. */
  #take({ doors, sinks }: KeptConfiguration): Set<NamedSink> {
    const named = new Map(sinks.map((settings) => [settings.name, this.#sinkOf(settings)]));
    for (const door of doors) {
      const own = door.sinks.map((name) => named.get(name)).filter((sink) => sink !== undefined);
      if (own.length > 0) this.#ofDoor.set(door, own);
    }
    return new Set(named.values());
  }

  #sinkOf(settings: SinkSettings): NamedSink {
    const { line: _, ...saying } = settings;
    const key = JSON.stringify(saying);
    const known = this.#known.get(key)?.deref();
    if (known !== undefined) return known;
    const sink = new NamedSink(settings, this.log, this.loading);
    this.#known.set(key, new WeakRef(sink));
    return sink;
  }
}

async function loadAll(sinks: Iterable<NamedSink>): Promise<void> {
  await Promise.all([...sinks].map((sink) => sink.load()));
}
