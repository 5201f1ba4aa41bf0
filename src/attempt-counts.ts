/** Once a minute, what happened at each door (DESIGN 13): one event, however many packets. */
import type { EventBody } from './journal/events.js';
import type { KnockEvent } from './knocks/types.js';

interface DoorCounts {
  begun: number;
  spoiled: number;
  expired: number;
}

export class AttemptCounts {
  #doors = new Map<string, DoorCounts>();

  count({ kind, door }: KnockEvent): void {
    if (kind !== 'begun' && kind !== 'spoiled' && kind !== 'expired') return;
    let counts = this.#doors.get(door.name);
    if (counts === undefined) {
      counts = { begun: 0, spoiled: 0, expired: 0 };
      this.#doors.set(door.name, counts);
    }
    counts[kind]++;
  }

  /** The event for what was counted since the last call; none if nothing happened. */
  take(): EventBody | undefined {
    if (this.#doors.size === 0) return undefined;
    const doors = Object.fromEntries(this.#doors);
    this.#doors = new Map();
    return { type: 'Counted', doors };
  }
}
