/** Streams under a low limit of attempts (M12): those of `streams.ts`, with minutes in them. */
import type { Packet } from '../../machines/types.js';
import { seeded, seededRecipe } from './recipes.js';
import { type Stream, streamOf } from './streams.js';

const LIMITS = [1, 2, 3, 5, 10, 12] as const;
/** Around the times at which one attempt, and the whole bucket, has come back. */
const PAUSES_MS = [
  ...[5_999, 6_000, 12_000, 20_000, 29_998, 30_000, 30_001],
  ...[59_998, 59_999, 60_000, 60_001, 60_002, 90_000],
] as const;

/** The stream of a seed. In each second one two sources are of one IPv6 network. */
export function limitedStream(seed: number, steps: number): Stream {
  const { doors, rules, host, packets } = streamOf(seededRecipe(seed, steps));
  const next = seeded(seed + 1);
  const limit = LIMITS[next(LIMITS.length)] ?? 1;
  const neighbours = next(2) === 0;
  let laterMs = 0;
  const spread = packets.map((packet): Packet => {
    if (next(12) === 0) laterMs += PAUSES_MS[next(PAUSES_MS.length)] ?? 0;
    const moved = neighbours && packet.source === '198.51.100.8' ? neighbour(packet) : packet;
    return { ...moved, atMs: packet.atMs + laterMs };
  });
  return { doors, rules: { ...rules, maxAttemptsPerMinute: limit }, host, packets: spread };
}

/** The packet as one of the third source's neighbour, which is `fd00::9`. */
function neighbour(packet: Packet): Packet {
  return { ...packet, source: 'fd00::a:b:c:d', destination: 'fd00::1' };
}
