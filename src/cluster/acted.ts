/**
 * Which grants any host acts on, as hosts report it in the cluster journal. Who acts on one that a
 * single host is to act on stands in the shared Redis too, but that may lose it, or be made to.
 */
import type { DoorHere } from './acceptor.js';
import { TRIGGER_FRESH_MS } from './orders.js';
import type { ClusterMessage } from './types.js';

/** Looked through for what is over when there are so many more. */
const PURGE_EVERY = 1000;

export interface ActedOptions {
  readonly doorHere: (name: string) => DoorHere | undefined;
  readonly wallMs: () => number;
  readonly toleranceMs: number;
}

export class Acted {
  /** Until when (wall clock ms) an order for it can be fresh. */
  readonly #untilMs = new Map<string, number>();
  #purgeAt = PURGE_EVERY;

  constructor(private readonly options: ActedOptions) {}

  /** Takes in a message that verifies, in whatever order they come. */
  note(message: ClusterMessage): void {
    if (message.kind !== 'report') return;
    const { event, atMs } = message;
    const grant = event.type === 'Completed' || event.type === 'Opening' ? event.grant : undefined;
    if (grant === undefined || !('door' in event)) return;
    const { doorHere, wallMs, toleranceMs } = this.options;
    const door = doorHere(event.door)?.door;
    if (door?.runOn !== 'once') return;
    const untilMs = atMs + Math.max(door.cmdTimeoutMs, TRIGGER_FRESH_MS) + 2 * toleranceMs;
    if (untilMs < wallMs()) return;
    this.#untilMs.set(grant, untilMs);
    if (this.#untilMs.size > this.#purgeAt) this.#purge(wallMs());
  }

  has(grant: string): boolean {
    return this.#untilMs.has(grant);
  }

  #purge(wallMs: number): void {
    for (const [grant, untilMs] of this.#untilMs) {
      if (untilMs < wallMs) this.#untilMs.delete(grant);
    }
    this.#purgeAt = this.#untilMs.size + PURGE_EVERY;
  }
}
