/**
 * The promise of knockd compatibility as a check: whenever knockd opens a door for a source,
 * postern has opened it at that packet or at most `Seq_Timeout` before; and what opens only at
 * postern is explained by M3, M5 or M9 (or by the whole seconds of M8).
 */
import type { Packet } from '../../machines/types.js';
import type { HostView } from '../../src/capture/types.js';
import { type KnockdModel, knockdModel, type Mend } from './knockd.js';
import type { Model, ModelDoor } from './types.js';

export interface Opening {
  /** Index of the packet that completed the sequence. */
  readonly packet: number;
  readonly door: string;
  readonly source: string;
  readonly atMs: number;
}

export interface KnockdOpening extends Opening {
  /** knockd counted a retransmitted packet as a knock of its own (M5). */
  readonly countedTwice: boolean;
}

/** What the model of knockd opens over a stream, in order. */
export function knockdOpenings(model: KnockdModel, packets: readonly Packet[]): KnockdOpening[] {
  return packets.flatMap((p, packet) => {
    const { opened, countedTwice } = model.packet(p);
    return opened.map((door) => ({
      packet,
      door,
      source: p.source,
      atMs: p.atMs,
      countedTwice: countedTwice.includes(door),
    }));
  });
}

/** All openings of a model over a stream, in order. */
export function openingsOf(model: Model, packets: readonly Packet[]): Opening[] {
  return packets.flatMap((p, packet) =>
    model.packet(p).opened.map((door) => ({ packet, door, source: p.source, atMs: p.atMs })),
  );
}

const key = (one: Opening) => `${one.packet} ${one.door} ${one.source}`;

/**
 * Openings of knockd that postern neither has at the same packet nor within `Seq_Timeout` before.
 * The promise's own exception is left out: a retransmission that knockd counted as a second knock.
 */
export function brokenPromises(
  knockd: readonly KnockdOpening[],
  postern: readonly Opening[],
  doors: readonly ModelDoor[],
): Opening[] {
  const timeouts = new Map(doors.map((door) => [door.name, door.seqTimeoutMs]));
  return knockd.filter((one) => {
    const kept = postern.some(
      (other) =>
        other.door === one.door &&
        other.source === one.source &&
        other.packet <= one.packet &&
        one.atMs - other.atMs <= (timeouts.get(one.door) ?? 0),
    );
    return !kept && !one.countedTwice;
  });
}

/** The sets of rules that an extra opening may be explained by, the smallest first. */
const EXPLANATIONS: readonly (readonly Mend[])[] = [
  ['M3'],
  ['M5'],
  ['M9'],
  ['M3', 'M5'],
  ['M3', 'M9'],
  ['M5', 'M9'],
  ['M3', 'M5', 'M9'],
  ['M8'],
  ['M3', 'M5', 'M8', 'M9'],
];

export interface Explained {
  /** Counts by explanation: `M3`, `M3+M5`, … An opening that several rules explain alone counts for each. */
  readonly counts: ReadonlyMap<string, number>;
  readonly extra: number;
  readonly unexplained: readonly Opening[];
}

/** Runs knockd with just some rules mended until every extra opening of postern is explained. */
export function explain(
  knockd: readonly Opening[],
  postern: readonly Opening[],
  packets: readonly Packet[],
  doors: readonly ModelDoor[],
  host: HostView,
): Explained {
  const had = new Set(knockd.map(key));
  const extra = postern.filter((one) => !had.has(key(one)));
  const counts = new Map<string, number>();
  let open = extra;
  for (const mended of EXPLANATIONS) {
    if (open.length === 0) break;
    const now = new Set(openingsOf(knockdModel(doors, host, new Set(mended)), packets).map(key));
    const single = mended.length === 1 && mended[0] !== 'M8';
    const found = (single ? extra : open).filter((one) => now.has(key(one)));
    if (found.length > 0) counts.set(mended.join('+'), found.length);
    open = open.filter((one) => !now.has(key(one)));
  }
  return { counts, extra: extra.length, unexplained: open };
}
