/** From a completed sequence to a grant: what happens at the journal's border. */
import type { Door } from '../config/types.js';
import type { SharedCompletion } from './cluster/cluster.js';
import type { SharedResult } from './cluster/part.js';
import type { Doors } from './doors.js';
import { reasonOf } from './errors.js';
import type { DispatchResult } from './jobs/types.js';
import type { KnockEvent } from './knocks/types.js';
import type { ActionLog } from './log/action-log.js';
import type { Log } from './log/types.js';

export interface DispatcherOptions {
  readonly doors: Doors;
  /** Takes a completion to this host's grants, or to the cluster's. */
  readonly keep: (completion: SharedCompletion) => Promise<DispatchResult | SharedResult>;
  readonly log: Log;
  readonly actions: ActionLog;
  /** A one-time door has another sequence now. */
  readonly doorsChanged: () => void;
}

/** While Redis is away, one-time doors are asked for so often. */
const ASK_AGAIN_MS = 1000;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  /** One-time doors by name, with how many of their knocks are on their way to the journal. */
  readonly #underway = new Map<string, number>();
  /** One-time doors whose next sequence is asked for again. */
  readonly #asking = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Never rejects: what could not be opened is said in the log, and the source knocks again. */
  async complete(completed: KnockEvent): Promise<void> {
    const { doors, keep, log, doorsChanged } = this.#options;
    const { source } = completed;
    const completion = doors.completion(completed.door, source);
    // Its one-time sequence was used, or its door removed, a moment ago.
    if (completion === undefined) return;
    const door = completion.door.name;
    const isOneTime = completion.claim !== undefined;
    if (isOneTime) {
      this.#underway.set(door, (this.#underway.get(door) ?? 0) + 1);
      doors.advance(completion.door);
      doorsChanged();
    }
    try {
      this.#report(completion, await keep(completion));
    } catch (error) {
      const reason = reasonOf(error);
      log.error({ door, source, reason }, 'the door was not opened');
    }
    if (completion.claim !== undefined) await this.#settle(completion.door, completion.claim);
  }

  /** Asks for no door's next sequence any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#asking.values()) clearTimeout(timer);
    this.#asking.clear();
  }

  /** Whether the sequence is used is for the claims to say: a knock that failed leaves it. */
  async #settle(door: Door, claim: string): Promise<void> {
    this.#options.doors.settle(door, claim);
    const others = (this.#underway.get(door.name) ?? 1) - 1;
    this.#underway.set(door.name, others);
    // The claims do not yet know of the others; the last one asks for all.
    if (others === 0) await this.#learnNext(door);
  }

  /** Until it is known which sequence is next, the door listens for none. */
  async #learnNext(door: Door): Promise<void> {
    const { doors, log, doorsChanged } = this.#options;
    try {
      await doors.refresh(door);
    } catch (error) {
      if (!this.#asking.has(door.name)) {
        const fields = { door: door.name, reason: reasonOf(error) };
        log.error(
          fields,
          'the next one-time sequence cannot be read: the door is shut until it can',
        );
      }
      this.#askAgain(door);
      return;
    }
    this.#asking.delete(door.name);
    doorsChanged();
  }

  #askAgain(door: Door): void {
    // A reload that changed it, or another knock, asks for itself.
    const isCurrent = this.#options.doors.configuration.doors.includes(door);
    if (this.#stopped || !isCurrent || (this.#underway.get(door.name) ?? 0) > 0) {
      this.#asking.delete(door.name);
      return;
    }
    clearTimeout(this.#asking.get(door.name));
    const timer = setTimeout(() => void this.#learnNext(door), ASK_AGAIN_MS).unref();
    this.#asking.set(door.name, timer);
  }

  #report({ door, source }: SharedCompletion, result: DispatchResult | SharedResult): void {
    const { log, actions } = this.#options;
    const fields = { door: door.name, source };
    switch (result.kind) {
      case 'opening':
        actions.openSesame(source, door.name);
        // That the journal does not know of it was said with the reason already.
        log.info({ ...fields, grant: result.grant }, 'opening');
        break;
      case 'extended':
        actions.openSesame(source, door.name);
        log.info({ ...fields, grant: result.grant }, 'knocked again: stays open longer');
        break;
      case 'ignored':
        log.info({ ...fields, because: result.reason }, 'knocked again: ignored');
        break;
      case 'queued':
        actions.openSesame(source, door.name);
        log.info(fields, 'one host of the cluster acts on it');
        break;
      case 'repeated':
      case 'expired':
      case 'future':
      case 'unfit':
        log.warn({ ...fields, because: result.kind }, 'not opened');
        break;
      case 'spent':
        log.warn(fields, 'a used one-time sequence was knocked: not opened');
        break;
    }
  }
}
