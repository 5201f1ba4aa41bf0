/** Once a minute, what happened at each door (DESIGN 13): one event, however many packets. */
import type { EventBody } from './journal/events.js';
import type { KnockEvent } from './knocks/types.js';
import type { Log } from './log/types.js';

/** Sources that came to be ignored are named up to so many a minute; the others are a sum. */
const NAMED_A_MINUTE = 10;

interface DoorCounts {
  begun: number;
  spoiled: number;
  expired: number;
  limited?: number;
}

/** Log and journal grow by no more than so many lines a minute, whatever comes. */
export class AttemptCounts {
  readonly #log: Log;
  #doors = new Map<string, DoorCounts>();
  #ignored: string[] = [];
  #more = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  count(event: KnockEvent): void {
    const { kind } = event;
    if (kind === 'ignored') this.#note(event);
    else if (kind === 'limited') {
      const counts = this.#countsOf(event);
      counts.limited = (counts.limited ?? 0) + 1;
    } else if (kind === 'begun' || kind === 'spoiled' || kind === 'expired') {
      this.#countsOf(event)[kind]++;
    }
  }

  /** The event for what was counted since the last call, a minute ago; none if nothing happened. */
  take(): EventBody | undefined {
    if (this.#doors.size === 0 && this.#ignored.length === 0) return undefined;
    const doors = Object.fromEntries(this.#doors);
    const [sources, more] = [this.#ignored, this.#more];
    this.#doors = new Map();
    this.#ignored = [];
    this.#more = 0;
    if (more > 0)
      this.#log.warn({ sources: more }, 'more sources are ignored for too many attempts');
    return { type: 'Counted', doors, ...(sources.length > 0 && { ignored: { sources, more } }) };
  }

  /** M12: a source is ignored from now on. */
  #note({ source, door }: KnockEvent): void {
    if (this.#ignored.length >= NAMED_A_MINUTE) {
      this.#more++;
      return;
    }
    this.#ignored.push(source);
    this.#log.warn(
      { source, door: door.name },
      'ignored for a minute: it began more attempts than max_attempts_per_minute',
    );
  }

  #countsOf({ door }: KnockEvent): DoorCounts {
    let counts = this.#doors.get(door.name);
    if (counts === undefined) {
      counts = { begun: 0, spoiled: 0, expired: 0 };
      this.#doors.set(door.name, counts);
    }
    return counts;
  }
}
