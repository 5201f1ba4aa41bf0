/**
 * The nftables sink: a grant is an element, with a timeout of the kernel's, in sets that the
 * firewall refers to. No command runs, and the door closes even when postern is gone.
 */
import type { Door, NftTable } from '../../config/types.js';
import type { Clock } from '../../src/clock.js';
import type { Log } from '../../src/log/types.js';
import type { Sink } from '../types.js';

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
