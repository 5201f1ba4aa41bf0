/** The sinks of this host: which of them act on a door's grants, and what they share. */
import type { Configuration, Diagnostic, Door } from '../config/types.js';
import { createExec, type Exec } from '../sinks/exec.js';
import { createNftables, type Nftables } from '../sinks/nftables/nftables.js';
import type { Sink } from '../sinks/types.js';
import { systemClock } from './clock.js';
import type { KeptConfiguration } from './configurations.js';
import { familyOf } from './jobs/keys.js';
import type { LiveGrant } from './jobs/types.js';
import type { ActionLog } from './log/action-log.js';
import type { Log } from './log/types.js';
import { NamedSinks } from './named-sinks.js';
import { sinkProblem } from './sink-problem.js';

/** The name of the sink whose memory is restored from live grants. */
const NFTABLES = 'nftables';

export interface HostSinksOptions {
  readonly configuration: Configuration;
  readonly actions: ActionLog;
  readonly log: Log;
  /** Puts the deliveries in the place of a sink that tells others. */
  readonly handOver: (sink: Sink) => Sink;
}

export class HostSinks {
  readonly #exec: Exec;
  readonly #nftables: Nftables;
  readonly #named: NamedSinks;
  readonly #handOver: (sink: Sink) => Sink;
  /** Doors of earlier configurations that grants still refer to (G7). */
  readonly #former = new Set<Door>();
  #configuration: Configuration;

  constructor({ configuration, actions, log, handOver }: HostSinksOptions) {
    const { maxCommands, nftTable: table, nftGuard: guard } = configuration.options;
    const { doors } = configuration;
    this.#configuration = configuration;
    this.#named = new NamedSinks(log);
    this.#handOver = handOver;
    this.#exec = createExec({
      maxCommands,
      log,
      onLine: (line) => {
        if (line.kind === 'running-command') actions.runningCommand(line.door, line.command);
        else actions.commandTimeout(line.source, line.door);
      },
    });
    this.#nftables = createNftables({ table, guard, doors, log, clock: systemClock });
  }

  /**
   * A sink that the configuration has and that cannot be used keeps nobody out: see `problems`.
   * @throws PosternError POSTERN_E_NFT when a door allows something and nft cannot be used
   */
  async start(): Promise<void> {
    this.#exec.prepare(this.#configuration.doors);
    await this.#nftables.start();
    await this.#named.load(this.#configuration);
  }

  /** Sinks of an earlier configuration, before any of its doors is asked for. Never rejects. */
  learn(earlier: KeptConfiguration): Promise<void> {
    return this.#named.learn(earlier);
  }

  /** What acts on the grants of a door for that source; none: the door does nothing for it. */
  for(door: Door, source: string): readonly Sink[] {
    const family = familyOf(source);
    if (door.allow.length > 0 && !this.#configuration.doors.includes(door)) this.#former.add(door);
    const sinks = [this.#nftables.sink(door, family), this.#exec.sink(door, family)];
    const named = this.#named
      .of(door)
      .map((sink) => (sink.delivery === undefined ? sink : this.#handOver(sink)));
    return [...sinks.filter((sink) => sink !== undefined), ...named];
  }

  /**
   * The sinks that a door names, those that tell others as they are: not handed over, and as the
   * configuration of now has them.
   */
  named(door: Door): readonly Sink[] {
    return this.#named.ofNow(door);
  }

  /** What is wrong with sinks of the configuration. */
  get problems(): readonly Diagnostic[] {
    const { file } = this.#configuration;
    return this.#named.problems.map(({ sink, reason }) => sinkProblem(file, sink, reason));
  }

  /**
   * The firewall holds these grants and no others, but for those opened since `start` (T15).
   * @throws PosternError POSTERN_E_NFT
   */
  async restore(live: readonly LiveGrant[]): Promise<void> {
    const { doors, options } = this.#configuration;
    // No door of today needs the firewall, but grants of former ones have to be closed in it.
    const none = doors.every(({ allow }) => allow.length === 0);
    if (none && this.#former.size > 0) {
      await this.#nftables.configure({ guard: false, doors: [...this.#former] });
    }
    const held = live.filter(({ sinks }) => sinks.includes(NFTABLES));
    await this.#nftables.reconcile(
      held.map(({ opened, ...grant }) => ({ ...grant, door: opened })),
    );
    if (none && this.#former.size > 0) {
      await this.#nftables.configure({ guard: options.nftGuard, doors });
    }
    this.#former.clear();
  }

  /**
   * Takes a reloaded configuration. The table, and how many commands may run, stay as they were.
   * @throws PosternError POSTERN_E_NFT; then nothing has changed
   */
  async change(configuration: Configuration): Promise<void> {
    const { doors, options } = configuration;
    await this.#nftables.configure({ guard: options.nftGuard, doors });
    this.#configuration = configuration;
    this.#exec.prepare(doors);
    await this.#named.load(configuration);
  }

  /** Lets go of running commands and ends our own programs; what is open stays open. */
  async stop(): Promise<void> {
    this.#exec.release();
    await this.#nftables.stop();
  }
}
