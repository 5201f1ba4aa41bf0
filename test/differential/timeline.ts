/**
 * What is sent in a differential run: scenes, each of a source of its own that follows the doors'
 * sequences and stumbles. Few scenes at a time, since knockd forgets everyone whenever its oldest
 * attempt ends, and slow ones among them, so that it does.
 */
import { TCP_FLAG } from '../../config/types.js';
import type { Knock, Packet } from '../../machines/types.js';
import { seeded } from '../model/recipes.js';
import type { ModelDoor } from '../model/types.js';
import { SERVER4, SERVER6 } from '../support/netns.js';
import { MODEL_DOORS } from './doors.js';

/** Milliseconds from one scene's begin to the next one's. */
const SCENE_EVERY_MS = 40;
/**
 * Pauses stay clear of the timeouts of 1 and 2 s, also added up, so that neither the jitter of the
 * replay nor of the sensor's clock decides what opens: 1.2 s is late for the one and not the other.
 */
const PAUSE_MS = 1200;
const MISTIME_MS = 2700;

const STEPS = [
  ...Array<'next'>(30).fill('next'),
  ...Array<'switchDoor'>(5).fill('switchDoor'),
  ...Array<'restart'>(3).fill('restart'),
  ...Array<'repeat'>(3).fill('repeat'),
  ...Array<'retransmit'>(4).fill('retransmit'),
  'retransmitOlder',
  'anyKnock',
  'anyKnock',
  'wrongFlags',
  'wrongProtocol',
  'elsewhere',
] as const;

/** All packets of a run of `seconds`, by their time from its begin in milliseconds. */
export function timelineOf(seed: number, seconds: number): Packet[] {
  const next = seeded(seed);
  const packets: Packet[] = [];
  const scenes = Math.floor((seconds * 1000) / SCENE_EVERY_MS);
  for (let index = 0; index < scenes; index += 1) {
    const beginMs = index * SCENE_EVERY_MS + next(SCENE_EVERY_MS);
    packets.push(...new Scene(sourceOf(index), next).play(beginMs));
  }
  // Whole tenths of a millisecond apart at least, so that the order on the wire is this order.
  packets.sort((one, other) => one.atMs - other.atMs);
  let lastMs = 0;
  return packets.map((packet) => {
    lastMs = Math.max(packet.atMs, lastMs + 0.1);
    return { ...packet, atMs: lastMs };
  });
}

/** IPv4 and IPv6 in turn; an IPv4 one comes back long after its attempts have expired. */
function sourceOf(index: number): string {
  if (index % 2 === 0) return `198.51.100.${1 + ((index / 2) % 254)}`;
  return `fd00:5ce::${(index + 1).toString(16)}`;
}

class Scene {
  #door: ModelDoor;
  #stage = 0;
  #sequence: number;
  readonly #sent: Packet[] = [];

  constructor(
    private readonly source: string,
    private readonly next: (n: number) => number,
  ) {
    this.#door = this.#anyDoor();
    this.#sequence = 1 + next(1_000_000);
  }

  play(beginMs: number): Packet[] {
    let atMs = beginMs;
    const steps = 6 + this.next(9);
    for (let step = 0; step < steps; step += 1) {
      const packet = this.#step(atMs);
      if (packet !== undefined) this.#sent.push(packet);
      atMs += 2 + this.next(24);
      const fate = this.next(100);
      if (fate < 2) atMs += MISTIME_MS;
      else if (fate < 4) atMs += PAUSE_MS;
    }
    return this.#sent;
  }

  #step(atMs: number): Packet | undefined {
    const kind = STEPS[this.next(STEPS.length)] ?? 'next';
    const { destination } = this;
    switch (kind) {
      case 'next':
        return this.#hit(this.#nextKnock(), atMs);
      case 'switchDoor':
        this.#door = this.#anyDoor();
        this.#stage = this.next(2) === 0 ? this.#stage : 0;
        return this.#hit(this.#nextKnock(), atMs);
      case 'restart':
        this.#stage = 0;
        return this.#hit(this.#nextKnock(), atMs);
      case 'repeat':
        return this.#hit(this.#sent.at(-1) ?? this.#nextKnock(), atMs);
      case 'retransmit':
        return this.#again(this.#sent.at(-1), atMs);
      case 'retransmitOlder':
        return this.#again(this.#sent.at(-2 - this.next(2)), atMs);
      case 'anyKnock':
        return this.#hit(this.#anyKnock(), atMs);
      case 'wrongFlags': {
        const flags =
          [0, TCP_FLAG.fin, TCP_FLAG.ack, TCP_FLAG.syn | TCP_FLAG.ack][this.next(4)] ?? 0;
        return this.#hit(this.#anyKnock(), atMs, { flags });
      }
      case 'wrongProtocol': {
        const knock = this.#anyKnock();
        return this.#hit({ ...knock, protocol: knock.protocol === 'tcp' ? 'udp' : 'tcp' }, atMs);
      }
      case 'elsewhere':
        return this.#hit(this.#anyKnock(), atMs, {
          destination: destination.includes(':') ? 'fd00:db8::77' : '192.0.2.77',
        });
    }
  }

  get destination(): string {
    if (this.source.includes(':')) return SERVER6;
    return this.#door.target ?? SERVER4;
  }

  #anyDoor(): ModelDoor {
    const door = MODEL_DOORS[this.next(MODEL_DOORS.length)];
    if (door === undefined) throw new RangeError('no door');
    return door;
  }

  #anyKnock(): Knock {
    const { knocks } = this.#anyDoor();
    return knocks[this.next(knocks.length)] ?? this.#nextKnock();
  }

  #nextKnock(): Knock {
    if (this.#stage >= this.#door.knocks.length) {
      this.#door = this.#anyDoor();
      this.#stage = 0;
    }
    const knock = this.#door.knocks[this.#stage];
    if (knock === undefined) throw new RangeError('a door without knocks');
    this.#stage += 1;
    return knock;
  }

  #again(packet: Packet | undefined, atMs: number): Packet | undefined {
    return packet && { ...packet, atMs };
  }

  #hit(knock: Knock, atMs: number, change: Partial<Packet> = {}): Packet {
    const tcp = knock.protocol === 'tcp';
    this.#sequence += 1;
    return {
      atMs,
      source: this.source,
      destination: this.destination,
      protocol: knock.protocol,
      sourcePort: 40_000 + (this.#sequence % 3),
      port: knock.port,
      sequence: tcp ? this.#sequence : 0,
      interfaceIndex: 0,
      ...change,
      flags: tcp ? (change.flags ?? this.#flags()) : 0,
    };
  }

  /** Flags that satisfy the door it has in mind. */
  #flags(): number {
    return this.#door.name === 'acked' ? TCP_FLAG.ack : TCP_FLAG.syn;
  }
}
