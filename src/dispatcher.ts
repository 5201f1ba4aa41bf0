/** From a completed sequence to a grant: what happens at the journal's border. */
import type { Doors } from './doors.js';
import { reasonOf } from './errors.js';
import type { Completion, DispatchResult, Grants } from './jobs/types.js';
import type { KnockEvent } from './knocks/types.js';
import type { ActionLog } from './log/action-log.js';
import type { Log } from './log/types.js';

export interface DispatcherOptions {
  readonly doors: Doors;
  readonly grants: Grants;
  readonly log: Log;
  readonly actions: ActionLog;
  /** A one-time door has another sequence now. */
  readonly doorsChanged: () => Promise<void>;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Never rejects: what could not be opened is said in the log, and the source knocks again. */
  async complete(completed: KnockEvent): Promise<void> {
    const { doors, grants, log } = this.#options;
    const { source } = completed;
    const completion = doors.completion(completed.door, source);
    // Its one-time sequence was used, or its door removed, a moment ago.
    if (completion === undefined) return;
    const door = completion.door.name;
    try {
      const result = await grants.complete(completion);
      this.#report(completion, result);
      if (completion.claim !== undefined) await this.#next(completion);
    } catch (error) {
      const reason = reasonOf(error);
      log.error({ door, source, reason }, 'the door was not opened: the knock could not be kept');
    }
  }

  async #next({ door }: Completion): Promise<void> {
    const { doors, log, doorsChanged } = this.#options;
    try {
      await doors.next(door);
    } catch (error) {
      const fields = { door: door.name, reason: reasonOf(error) };
      log.error(fields, "the door's next one-time sequence cannot be read; it stays shut");
    }
    await doorsChanged();
  }

  #report({ door, source }: Completion, result: DispatchResult): void {
    const { log, actions } = this.#options;
    const fields = { door: door.name, source };
    switch (result.kind) {
      case 'opening':
        actions.openSesame(source, door.name);
        log.info({ ...fields, grant: result.grant }, 'opening');
        break;
      case 'extended':
        actions.openSesame(source, door.name);
        log.info({ ...fields, grant: result.grant }, 'knocked again: stays open longer');
        break;
      case 'ignored':
        log.info({ ...fields, because: result.reason }, 'knocked again: ignored');
        break;
      case 'spent':
        log.warn(fields, 'a used one-time sequence was knocked: not opened');
        break;
    }
  }
}
