/** Runs postern's matcher and the reference over the same stream and shows where they part. */

import { DoorTable } from '../../machines/doors.js';
import type { Knock, Packet } from '../../machines/types.js';
import type { HostView } from '../../src/capture/types.js';
import { Knocks } from '../../src/knocks/knocks.js';
import { referenceModel } from './reference.js';
import type { Stream } from './streams.js';
import type { Model, ModelDoor, ModelRules } from './types.js';

/** Bounds that no stream of a test comes near. */
const AMPLE = { maxSources: 100_000, maxMachines: 100_000 };

export interface Matcher extends Model {
  /** The scheduler came round. */
  advance(atMs: number): void;
  /** The door's one-time sequence was replaced (M11). */
  replaceSequence(door: string, knocks: readonly Knock[]): void;
}

/** postern's matcher behind the same interface as the reference. */
export function posternMatcher(
  doors: readonly ModelDoor[],
  rules: ModelRules,
  host: HostView,
): Matcher {
  let opened: { door: string; source: string }[] = [];
  let table = new DoorTable(doors, rules);
  const knocks = new Knocks(table, {
    host,
    limits: AMPLE,
    onEvent: (event) => {
      if (event.kind === 'completed') opened.push({ door: event.door.name, source: event.source });
    },
  });
  const order = doors.map((door) => door.name);
  return {
    packet(packet) {
      opened = [];
      knocks.packet(packet);
      const foreign = opened.find((one) => one.source !== packet.source);
      if (foreign !== undefined) throw new Error(`${packet.source} opened for ${foreign.source}`);
      const names = opened.map((one) => one.door);
      return { opened: names.sort((a, b) => order.indexOf(a) - order.indexOf(b)) };
    },
    advance: (atMs) => knocks.advance(atMs),
    replaceSequence(name, sequence) {
      const replaced = table.doors.map((door) =>
        door.name === name ? { ...door, knocks: sequence } : door,
      );
      table = new DoorTable(replaced, rules, table);
      knocks.setTable(table);
    },
  };
}

/**
 * The first difference over a stream, in words; undefined when there is none. `tick` says after
 * which packets the scheduler comes round (timers must not change what opens), `replaceAfter`
 * after which a door gets another sequence, as one-time doors do (M11).
 */
export function firstDifference(
  stream: Stream,
  tick: (index: number) => boolean,
  replaceAfter: (index: number) => boolean = () => false,
): string | undefined {
  const { doors, rules, host, packets } = stream;
  const reference = referenceModel(doors, rules, host);
  const matcher = posternMatcher(doors, rules, host);
  for (const [index, packet] of packets.entries()) {
    const expected = reference.packet(packet).opened.join(' ');
    const actual = matcher.packet(packet).opened.join(' ');
    if (expected !== actual) {
      return `packet ${index}: the rules open [${expected}], postern opens [${actual}]\n${described(stream, index)}`;
    }
    if (tick(index)) matcher.advance(packet.atMs);
    if (replaceAfter(index)) {
      const door = doors[index % doors.length];
      if (door === undefined) continue;
      // Same protocols, other ports; often ports that are knocks of other doors.
      const sequence = door.knocks.map((knock) => ({ ...knock, port: knock.port + (index % 3) }));
      reference.replaceSequence(door.name, sequence);
      matcher.replaceSequence(door.name, sequence);
    }
  }
  return undefined;
}

/** Doors and packets up to the one at `last`, for a failure's message. */
export function described(stream: Stream, last = stream.packets.length - 1): string {
  const doors = stream.doors.map((door) => {
    const knocks = door.knocks.map((knock) => `${knock.port}:${knock.protocol}`).join(',');
    const flags = `flags +${door.tcpFlags.required} -${door.tcpFlags.excluded}`;
    return `${door.name}: ${knocks} ${flags} ${door.seqTimeoutMs} ms ${door.target ?? ''}`;
  });
  const limits = `stray_limit ${stream.rules.strayLimit}, scan_limit ${stream.rules.scanLimit}`;
  const start = stream.packets[0]?.atMs ?? 0;
  const lines = stream.packets.slice(0, last + 1).map((p, index) => shown(p, index, start));
  return [...doors, limits, ...lines].join('\n');
}

function shown(p: Packet, index: number, startMs: number): string {
  const tcp =
    p.protocol === 'tcp' ? ` flags ${p.flags} from ${p.sourcePort} seq ${p.sequence}` : '';
  return `${index} +${p.atMs - startMs} ms ${p.source} > ${p.destination} ${p.port}:${p.protocol}${tcp}`;
}
