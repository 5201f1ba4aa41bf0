/**
 * The doors as the matcher sees them, and the table that finds what a packet means to them. Pure:
 * what belongs to the host (addresses, listening ports) comes in with the packet.
 */
import type { FlagRule, PortRange } from '../config/types.js';
import type { Knock, Packet, Protocol } from './types.js';

/** A door as the matcher sees it. Its identity (`===`) is its version: M11 and G7 rest on that. */
export interface MatchDoor {
  readonly name: string;
  readonly knocks: readonly Knock[];
  readonly seqTimeoutMs: number;
  readonly tcpFlags: FlagRule;
  /** Canonical address text. Absent: any address of the interface (M1). */
  readonly target?: string;
}

export interface MatchRules {
  readonly strayLimit: number | 'off';
  readonly scanLimit: number;
  readonly ignorePorts: readonly PortRange[];
  /** A source that begins more is ignored for a minute (M12). 0, or absent: no limit. */
  readonly maxAttemptsPerMinute?: number;
}

/** Doors that agree on what a stray is, and so share one count of them (M7). */
export interface StrayClass extends Gate {
  readonly key: string;
  readonly seqTimeoutMs: number;
  readonly udp: boolean;
}

/** What a packet must satisfy to concern a door (M1, M2). */
export interface Gate {
  readonly target?: string;
  readonly tcpFlags: FlagRule;
}

/** What a packet is by its port alone. */
export type PortKind = 'knock' | 'stray' | 'ignored';

const KNOCK = 1;
const IGNORED = 2;
const NO_DOORS: readonly MatchDoor[] = [];

/** Port and protocol as one number below 131072: what is counted as one stray, or one knock. */
export function portCode(protocol: Protocol, port: number): number {
  return protocol === 'udp' ? 65536 + port : port;
}

/** M1 and M2: the packet goes to the door's target or to this host, and its flags satisfy. */
export function concerns(door: Gate, packet: Packet, local: boolean): boolean {
  const here = door.target === undefined ? local : door.target === packet.destination;
  return here && (packet.protocol === 'udp' || satisfies(door.tcpFlags, packet.flags));
}

/** M2: every required flag is set and no excluded one. */
export function satisfies(rule: FlagRule, flags: number): boolean {
  return (flags & rule.required) === rule.required && (flags & rule.excluded) === 0;
}

/** M7: what a stray to this door's class is, beyond its port: TCP, or UDP where it knocks UDP. */
export function strayConcerns(strays: StrayClass, packet: Packet, local: boolean): boolean {
  return (packet.protocol === 'tcp' || strays.udp) && concerns(strays, packet, local);
}

/** The compiled doors of one configuration. Immutable; a change makes a new one. */
export class DoorTable {
  readonly strayClasses: readonly StrayClass[];
  /** Doors by the code of their first knock. */
  readonly #first = new Map<number, MatchDoor[]>();
  readonly #kinds = new Uint8Array(2 * 65536);
  /** By code, what a packet must satisfy to be a knock of one of the doors it is in (M6). */
  readonly #gates = new Map<number, Gate[]>();
  readonly #classOf = new Map<MatchDoor, StrayClass>();
  /** In which generation a door came in: older packets begin no attempt at it (M11). */
  readonly #born = new Map<MatchDoor, number>();
  readonly generation: number;
  readonly targets: ReadonlySet<string>;
  /** The longest time anything about a source has to be remembered, in ms. */
  readonly memoryMs: number;

  constructor(
    readonly doors: readonly MatchDoor[],
    readonly rules: MatchRules,
    previous?: DoorTable,
  ) {
    this.generation = previous === undefined ? 0 : previous.generation + 1;
    for (const { from, to } of rules.ignorePorts) {
      this.#kinds.fill(IGNORED, from, to + 1);
      this.#kinds.fill(IGNORED, 65536 + from, 65536 + to + 1);
    }
    const classes = new Map<string, StrayClass>();
    for (const door of doors) {
      this.#born.set(door, previous?.born(door) ?? this.generation);
      for (const knock of door.knocks) this.#addKnock(portCode(knock.protocol, knock.port), door);
      const [first] = door.knocks;
      if (first !== undefined) this.#addFirst(portCode(first.protocol, first.port), door);
      const strays = strayClassOf(door);
      const known = classes.get(strays.key);
      if (known === undefined) classes.set(strays.key, strays);
      this.#classOf.set(door, known ?? strays);
    }
    this.strayClasses = rules.strayLimit === 'off' ? [] : [...classes.values()];
    this.targets = new Set(doors.flatMap((door) => door.target ?? []));
    this.memoryMs = doors.reduce((longest, door) => Math.max(longest, door.seqTimeoutMs), 0);
  }

  #addKnock(code: number, door: MatchDoor): void {
    this.#kinds[code] = KNOCK;
    const gates = this.#gates.get(code) ?? [];
    const isNew = !gates.some((gate) => gateKey(gate) === gateKey(door));
    if (isNew) this.#gates.set(code, [...gates, door]);
  }

  #addFirst(code: number, door: MatchDoor): void {
    const doors = this.#first.get(code);
    if (doors === undefined) this.#first.set(code, [door]);
    else doors.push(door);
  }

  /** The generation a door came in with; undefined for a door that is not (or no longer) here. */
  born(door: MatchDoor): number | undefined {
    return this.#born.get(door);
  }

  has(door: MatchDoor): boolean {
    return this.#born.has(door);
  }

  classOf(door: MatchDoor): StrayClass | undefined {
    return this.#classOf.get(door);
  }

  kindOf(protocol: Protocol, port: number): PortKind {
    const kind = this.#kinds[portCode(protocol, port)];
    return kind === KNOCK ? 'knock' : kind === IGNORED ? 'ignored' : 'stray';
  }

  /**
   * M6: whether the packet is a knock of a door that it concerns itself. knockd's capture filter
   * joins a door's ports with its flags and target, so it never sees any other hit on them.
   */
  isKnock(packet: Packet, local: boolean): boolean {
    const gates = this.#gates.get(portCode(packet.protocol, packet.port));
    return gates?.some((gate) => concerns(gate, packet, local)) === true;
  }

  /** Doors whose first knock is this port, whether or not the packet concerns them. */
  firstKnockOf(protocol: Protocol, port: number): readonly MatchDoor[] {
    return this.#first.get(portCode(protocol, port)) ?? NO_DOORS;
  }
}

function gateKey({ target, tcpFlags }: Gate): string {
  return [target ?? '', tcpFlags.required, tcpFlags.excluded].join(' ');
}

function strayClassOf(door: MatchDoor): StrayClass {
  const udp = door.knocks.some((knock) => knock.protocol === 'udp');
  const { seqTimeoutMs, tcpFlags, target } = door;
  const key = [gateKey(door), udp, seqTimeoutMs].join(' ');
  return { key, seqTimeoutMs, tcpFlags, udp, ...(target === undefined ? {} : { target }) };
}
