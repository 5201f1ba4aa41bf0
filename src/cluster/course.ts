import { advanceGrant, type GrantEvent, type GrantState, isFinal } from '../../machines/grant.js';
import type { EventOf } from '../journal/events.js';

/** So many events at most are kept before the machine takes them. */
const MOST_PENDING = 32;

/**
 * A grant's events, which the machine takes when somebody asks for the state. Most grants are over
 * before anybody does, and the usual ways to their end are told without the machine, which takes
 * some 50 µs an event: a cluster's whole journal is read at every start.
 */
export class Course {
  #state: GrantState;
  #pending: GrantEvent[] = [];
  readonly #stage = new Stage();

  constructor(state: GrantState) {
    this.#state = state;
  }

  add(event: GrantEvent): void {
    this.#pending.push(event);
    this.#stage.note(event);
    if (this.#pending.length > MOST_PENDING) this.#settle();
  }

  /** Closed or abandoned. */
  get isOver(): boolean {
    if (this.#stage.now !== 'unusual') return this.#stage.now === 'over';
    return isFinal(this.state);
  }

  get state(): GrantState {
    this.#settle();
    return this.#state;
  }

  #settle(): void {
    for (const event of this.#pending) this.#state = advanceGrant(this.#state, event);
    this.#pending = [];
  }
}

/**
 * What the machine's phase is as long as a grant goes the usual way: opened, extended, closed.
 * `unusual`: only the machine can tell. The tests hold it against the machine.
 */
class Stage {
  now: 'completed' | 'opening' | 'open' | 'closing' | 'over' | 'unusual' = 'completed';
  #hasDeadline = false;
  readonly #open = new Set<string>();

  note(event: GrantEvent): void {
    if (this.now === 'completed') this.now = this.#afterCompleted(event);
    else if (this.now === 'opening') this.now = this.#afterOpening(event);
    else if (this.now === 'open') this.now = this.#whileOpen(event);
    else if (this.now === 'closing') this.now = this.#whileClosing(event);
  }

  #afterCompleted(event: GrantEvent) {
    if (event.type === 'Abandoned') return 'over';
    if (event.type !== 'Opening') return 'unusual';
    this.#hasDeadline = event.until !== null;
    return 'opening';
  }

  #afterOpening(event: GrantEvent) {
    if (event.type === 'Abandoned') return 'over';
    if (event.type === 'Extended' && this.#hasDeadline) return 'opening';
    if (event.type !== 'Opened' && event.type !== 'OpenFailed') return 'unusual';
    // Nothing to take back, and nothing was to be.
    if (event.until === null && !this.#hasDeadline) return 'over';
    return this.#reported(event);
  }

  #whileOpen(event: GrantEvent) {
    if (event.type === 'Extended') return 'open';
    if (event.type === 'Closing') return 'closing';
    const isReport = event.type === 'Opened' || event.type === 'OpenFailed';
    return isReport ? this.#reported(event) : 'unusual';
  }

  #reported({ sink, until }: EventOf<'Opened'> | EventOf<'OpenFailed'>) {
    if (until === null) return 'unusual';
    this.#open.add(sink);
    return 'open';
  }

  #whileClosing(event: GrantEvent) {
    if (event.type !== 'Closed') return 'unusual';
    this.#open.delete(event.sink);
    return this.#open.size === 0 ? 'over' : 'closing';
  }
}
