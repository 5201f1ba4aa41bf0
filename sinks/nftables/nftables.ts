/**
 * The nftables sink: a grant is an element, with a timeout of the kernel's, in sets that the
 * firewall refers to. No command runs, and the door closes even when postern is gone.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AllowRule, Door, NftTable } from '../../config/types.js';
import type { Clock } from '../../src/clock.js';
import { PosternError } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';
import type { Sink, SinkGrant } from '../types.js';
import { Conntrack } from './conntrack.js';
import { Firewall } from './firewall.js';
import type { Hold } from './holds.js';
import { requireProgram } from './programs.js';
import { NftRefusal, nftError } from './refusal.js';
import { OWN_TABLE, SET_SIZE, sees, TableName } from './script.js';

export interface NftablesOptions {
  /** `nft_table`: where the sets live. Undefined: postern's own table, `inet postern`. */
  readonly table: NftTable | undefined;
  /** `nft_guard`: the own table drops new connections to allowed ports. Not with `table`. */
  readonly guard: boolean;
  /** The doors of the configuration: their `allow` rules are what the guard drops. */
  readonly doors: readonly Door[];
  readonly log: Log;
  readonly clock: Clock;
  /** How nft is started; by default `['nft']`, looked for in PATH and the system's folders. */
  readonly command?: readonly [string, ...string[]];
  /** The same for conntrack. */
  readonly conntrack?: readonly [string, ...string[]];
}

/** A grant that lives on from before: from an earlier run, or through a reload. */
export interface LiveGrant {
  readonly id: string;
  /** As the configuration says under which it was opened. */
  readonly door: Door;
  /** Canonical address text. */
  readonly source: string;
  /** Milliseconds left until its deadline; null: never closed. */
  readonly leftMs: number | null;
}

export interface Nftables {
  /** Pids of the programs that run for it. */
  readonly pids: readonly number[];
  /**
   * Makes the table, the sets and the guard in one step, and begins to watch over them. Elements
   * that are there stay: call `reconcile` next. Does nothing while no door allows anything.
   * @throws PosternError POSTERN_E_NFT: nft is missing or not permitted, or a set of the user's
   * is declared in another way
   */
  start(): Promise<void>;
  /** The sink of a door for sources of one family; undefined: it allows nothing there. */
  sink(door: Door, family: 4 | 6): Sink | undefined;
  /**
   * Puts the elements of these grants into the sets, with the time that is left to them, and removes
   * every other but those of grants that were opened since `start` (T15). One step for the kernel:
   * a connection that is allowed before and after is never refused in between.
   * @throws PosternError POSTERN_E_NFT
   */
  reconcile(live: readonly LiveGrant[]): Promise<void>;
  /**
   * The doors and the guard of a reloaded configuration. Elements stay as they are. The table cannot
   * change: that takes another Nftables.
   * @throws PosternError POSTERN_E_NFT; then the former guard is still in force
   */
  configure(settings: { readonly guard: boolean; readonly doors: readonly Door[] }): Promise<void>;
  /** Ends the processes. Sets, elements and guard stay: the kernel ends what is open on time. */
  stop(): Promise<void>;
}

/** The kernel ends a grant this long after its deadline: the ordinary close comes first. */
const BACKSTOP_MS = 1000;
/** A full set has room when expired elements have been collected, a second or two later. */
const FULL_RETRIES_MS = [500, 1000, 1500];

export function createNftables(options: NftablesOptions): Nftables {
  return new NftablesSink(options);
}

type Settings = Pick<NftablesOptions, 'guard' | 'doors'>;

class NftablesSink implements Nftables {
  readonly #with: NftablesOptions;
  readonly #nft: readonly [string, ...string[]];
  readonly #firewall: Firewall;
  readonly #conntrack: Conntrack;
  #settings: Settings;
  #state: 'idle' | 'active' | 'stopped' = 'idle';

  constructor(options: NftablesOptions) {
    const { log, clock, table = OWN_TABLE, command = ['nft'], conntrack = ['conntrack'] } = options;
    this.#with = options;
    this.#settings = options;
    this.#nft = command;
    this.#firewall = new Firewall({ nft: command, table: TableName.of(table), clock, log });
    this.#conntrack = new Conntrack(conntrack, log);
  }

  get pids(): readonly number[] {
    return this.#firewall.pids;
  }

  async start(): Promise<void> {
    const rules = this.#settings.doors.flatMap(({ allow }) => allow);
    if (this.#state !== 'idle' || rules.length === 0) return;
    requireProgram('setpriv', 'util-linux');
    requireProgram(this.#nft[0], 'nftables');
    const guarded = this.#guarded();
    await asNftError(this.#firewall.start(guarded));
    this.#state = 'active';
  }

  sink(door: Door, family: 4 | 6): Sink | undefined {
    const { table = OWN_TABLE } = this.#with;
    if (door.allow.length === 0 || !sees(table.family, family)) return undefined;
    return {
      name: 'nftables',
      kernelTimed: true,
      open: (grant, signal) => this.#open(door, grant, signal),
      extend: (grant, signal) => this.#open(door, grant, signal),
      close: (grant, signal) => this.#close(door, grant, signal),
    };
  }

  async reconcile(live: readonly LiveGrant[]): Promise<void> {
    if (this.#state !== 'active') return;
    for (const { id, door, source, leftMs } of live) {
      if (door.allow.length > 0) this.#firewall.holds.hold(this.#hold(id, door, source, leftMs));
    }
    await asNftError(this.#firewall.reconcile());
  }

  async configure(settings: Settings): Promise<void> {
    const former = this.#settings;
    this.#settings = settings;
    try {
      if (this.#state === 'idle') await this.start();
      else await asNftError(this.#firewall.guard(this.#guarded()));
    } catch (error) {
      this.#settings = former;
      throw error;
    }
  }

  async stop(): Promise<void> {
    const active = this.#state === 'active';
    this.#state = 'stopped';
    if (active) await this.#firewall.stop();
  }

  async #open(door: Door, { id, source, leftMs }: SinkGrant, signal: AbortSignal): Promise<void> {
    this.#mustRun(signal);
    const { holds, writer } = this.#firewall;
    const former = holds.get(id, source);
    const hold = this.#hold(id, door, source, leftMs);
    try {
      await this.#unlessFull(() => writer.apply(holds.hold(hold)), signal);
    } catch (error) {
      // Whatever came of it: what is not open by our word must not be open in the kernel.
      const back = former ? holds.hold(former) : holds.release(id, source, door.allow);
      await writer.apply(back).catch(() => {});
      throw nftError(error);
    }
  }

  async #close(door: Door, { id, source }: SinkGrant, signal: AbortSignal): Promise<void> {
    this.#mustRun(signal);
    const { holds, writer } = this.#firewall;
    const former = holds.get(id, source);
    const difference = holds.release(id, source, door.allow);
    try {
      await writer.apply(difference);
    } catch (error) {
      // It will be tried again, and must then know what to take out.
      if (former) holds.hold(former);
      throw nftError(error);
    }
    if (door.killEstablished) await this.#conntrack.end(difference.drops);
  }

  async #unlessFull(write: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { log } = this.#with;
    for (const [i, waitMs] of FULL_RETRIES_MS.entries()) {
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof NftRefusal) || error.kind !== 'full') throw error;
        if (i === 0) log.error({ size: SET_SIZE }, 'ALARM: the set of allowed sources is full');
        await delay(waitMs, undefined, { signal });
      }
    }
    await write();
  }

  #hold(id: string, door: Door, source: string, leftMs: number | null): Hold {
    const deadlineMs =
      leftMs === null ? Number.POSITIVE_INFINITY : this.#with.clock.now() + leftMs + BACKSTOP_MS;
    return { id, source, rules: door.allow, deadlineMs };
  }

  #guarded(): readonly AllowRule[] | undefined {
    const { guard, doors } = this.#settings;
    if (!guard) return undefined;
    if (this.#with.table === undefined) return doors.flatMap(({ allow }) => allow);
    this.#with.log.warn({}, 'nft_guard has no effect with nft_table: close the ports there');
    return undefined;
  }

  #mustRun(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.#state !== 'active')
      throw new PosternError('POSTERN_E_NFT', 'the firewall is not in use: postern is ending');
  }
}

async function asNftError(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw nftError(error);
  }
}
