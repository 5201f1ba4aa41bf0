/** The firewall as this host's grants need it: written, watched, and put back. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AllowRule } from '../../config/types.js';
import type { Clock } from '../../src/clock.js';
import { reasonOf } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';
import { keyOf } from './element.js';
import { Holds } from './holds.js';
import { Kernel } from './kernel.js';
import { timedElements } from './listing.js';
import { type Loss, Monitor } from './monitor.js';
import { Ruleset } from './ruleset.js';
import { Script, type TableName } from './script.js';
import { timed, Writer } from './writer.js';

/** A burst of `nft monitor` is one loss. */
const BURST_MS = 10;
/** Somebody who removes the table for ever is answered, but not more often than this. */
const REPAIR_PAUSE_MS = 200;

const STOP_PATIENCE_MS = 1000;

export interface FirewallOptions {
  readonly nft: readonly string[];
  readonly table: TableName;
  readonly clock: Clock;
  readonly log: Log;
}

export class Firewall {
  readonly holds = new Holds();
  readonly writer: Writer;
  readonly #with: FirewallOptions;
  readonly #kernel: Kernel;
  readonly #ruleset: Ruleset;
  readonly #monitor: Monitor;
  #loss: Loss | undefined;
  #repair: NodeJS.Timeout | undefined;
  #repairedMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: FirewallOptions) {
    const { nft, table, clock, log } = options;
    this.#with = options;
    this.#kernel = new Kernel(nft, log);
    this.#ruleset = new Ruleset(table, this.#kernel);
    this.#monitor = new Monitor(nft, table, log, (loss) => this.#noticed(loss));
    const run = (script: Script) => this.#kernel.run(script);
    this.writer = new Writer({ table, clock, run, rebuild: () => this.#rebuild() });
  }

  /** Pids of `nft -i` and `nft monitor`. */
  get pids(): readonly number[] {
    return [this.#kernel.pid, this.#monitor.pid].filter((pid) => pid !== undefined);
  }

  /** Elements that are there stay. @throws as Ruleset.make */
  async start(guarded: readonly AllowRule[] | undefined): Promise<void> {
    this.#ruleset.guarded = guarded;
    await this.#ruleset.make();
    this.#kernel.start();
    this.#monitor.start();
  }

  /** @throws as Ruleset.make; then the former guard stays */
  guard(guarded: readonly AllowRule[] | undefined): Promise<void> {
    return this.writer.exclusive(async () => {
      const former = this.#ruleset.guarded;
      this.#ruleset.guarded = guarded;
      try {
        await this.#ruleset.make();
      } catch (error) {
        this.#ruleset.guarded = former;
        throw error;
      }
    });
  }

  /** The sets hold what `holds` says and, in our own table, nothing else. */
  reconcile(): Promise<void> {
    return this.writer.exclusive(async () => {
      if (!this.#with.table.own) await this.#dropStale();
      await this.#rebuild();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#repair);
    // A change that nft hangs on does not keep postern from ending.
    await Promise.race([this.writer.idle(), delay(STOP_PATIENCE_MS, undefined, { ref: false })]);
    await Promise.all([this.#monitor.stop(), this.#kernel.stop()]);
  }

  /** One step: whoever is allowed before and after is never shut out in between. */
  async #rebuild(): Promise<void> {
    const { table, clock } = this.#with;
    const nowMs = clock.now();
    const changes = this.holds
      .targets()
      .map((target) => timed({ ...target, known: !table.own }, nowMs))
      .filter(({ timeoutMs }) => timeoutMs !== 'absent');
    const flush = table.own ? [Script.flushSets(table)] : [];
    await this.#ruleset.make(...flush, Script.change(table, changes));
  }

  async #dropStale(): Promise<void> {
    const { table } = this.#with;
    const held = new Set(this.holds.targets().map(({ element }) => keyOf(element)));
    const listed = await Promise.all(
      table.sets.map(async (set) => {
        return timedElements(await this.#kernel.read(Script.listSet(table, set), []), set);
      }),
    );
    const stale = listed.flat().filter((element) => !held.has(keyOf(element)));
    await this.writer.writeNow(
      stale.map((element) => ({ element, deadlineMs: 'absent', known: true })),
    );
  }

  #noticed(loss: Loss): void {
    if (this.#loss !== 'vanished') this.#loss = loss;
    if (this.#stopped || this.#repair !== undefined) return;
    const pauseMs = this.#repairedMs + REPAIR_PAUSE_MS - this.#with.clock.now();
    this.#repair = setTimeout(() => void this.#mend(), Math.max(BURST_MS, pauseMs));
  }

  async #mend(): Promise<void> {
    const { log, clock, table } = this.#with;
    this.#repair = undefined;
    try {
      await this.writer.exclusive(async () => {
        const loss = this.#loss;
        this.#loss = undefined;
        if (this.#stopped || (loss !== 'vanished' && !(await this.#ruleset.isChanged()))) return;
        await this.#rebuild();
        const elements = this.holds.targets().length;
        log.warn(
          { table: table.text, elements },
          'somebody changed or removed our part of the firewall: it is put back',
        );
      });
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'our part of the firewall cannot be put back');
      this.#loss = 'vanished';
    }
    this.#repairedMs = clock.now();
    if (this.#loss !== undefined) this.#noticed(this.#loss);
  }
}
