/**
 * Takes completions that the cluster has decided about to this host's own grants. All ways lead here:
 * the knock itself, the cluster journal, the queue; each grant is accepted once at most.
 */
import type { Door } from '../../config/types.js';
import type { Clock } from '../clock.js';
import type { DispatchResult, Grants } from '../jobs/types.js';
import type { Log } from '../log/types.js';
import { Novelty } from './novelty.js';
import { type CompletedOrder, guardUntil, type Judgement, judge, type Written } from './orders.js';

/** A door as this host has it now. */
export interface DoorHere {
  readonly door: Door;
  /** Keyed digest of the configuration that it stands in. */
  readonly configuration: string;
}

export interface AcceptorOptions {
  readonly grants: Pick<Grants, 'accept'>;
  readonly doorHere: (name: string) => DoorHere | undefined;
  /** Whether anything that the door does for that source on this host is taken back. */
  readonly closes: (door: Door, source: string) => boolean;
  readonly toleranceMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** `unfit`: this host has no such door, or it is not one that the order may ask for. */
export type Acceptance =
  | DispatchResult
  | { readonly kind: 'expired' | 'future' | 'unfit' | 'repeated' };

export class Acceptor {
  readonly #options: AcceptorOptions;
  /** Doors that were asked for and are not here; each is said once. */
  readonly #unfit = new Set<string>();
  readonly #news: Novelty;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#news = new Novelty(options.clock);
  }

  /**
   * Checks the order against this host's own configuration (T5) and hands it to the grants. `claim`:
   * the host's own claim of a one-time sequence, to be kept with it.
   * @throws PosternError POSTERN_E_JOURNAL when it could not be made durable here; nothing runs
   */
  async accept(written: Written<CompletedOrder>, claim?: string): Promise<Acceptance> {
    const { grants, clock } = this.#options;
    const { order, host, atMs } = written;
    const here = this.#fitting(written);
    if (here === undefined) return { kind: 'unfit' };
    const judgement = this.judge(written, here.door);
    if (judgement.kind !== 'fresh') return judgement;
    const knockedAtMs = Math.min(atMs, Math.round(clock.wall()));
    return grants.accept({
      ...here,
      grant: order.grant,
      source: order.source,
      from: host,
      knockedAtMs,
      openForMs: judgement.openForMs,
      guardUntilMs: guardUntil(atMs, here.door),
      ...(claim !== undefined && { claim }),
    });
  }

  /** Whether its door here still has time for it. */
  judge(written: Written<CompletedOrder>, door: Door): Judgement {
    const { closes, clock, toleranceMs, log } = this.#options;
    const { order, host } = written;
    const by = { closes: closes(door, order.source), wallMs: clock.wall(), toleranceMs };
    const judgement = judge(written, door, by);
    if (judgement.kind === 'future' && this.#news.isNew(order.grant)) {
      const fields = { host, door: door.name, source: order.source };
      log.error(fields, 'not opened: the clock of that host is ahead of ours by too much');
    }
    return judgement;
  }

  #fitting({ order, host }: Written<CompletedOrder>): DoorHere | undefined {
    const here = this.#options.doorHere(order.door);
    // What is for the host that was knocked comes from that host alone: this one.
    const fits = order.runOn === 'here' || here?.door.runOn === order.runOn;
    if (here !== undefined && fits) return here;
    const because = here === undefined ? 'it has no such door' : 'run_on is another one here';
    const said = JSON.stringify([order.door, because]);
    if (!this.#unfit.has(said)) {
      this.#unfit.add(said);
      const fields = { host, door: order.door, because };
      this.#options.log.error(fields, 'the cluster asks this host for a door it cannot open');
    }
    return undefined;
  }
}
