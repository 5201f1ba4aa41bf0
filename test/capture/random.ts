/** Seeded random numbers and frames: quick enough for millions, and the same for the same seed. */
import {
  authentication,
  extension,
  fragment,
  frameOf,
  ip4,
  ip6,
  LINK_NUMBERS,
  type Link,
  tcp,
  udp,
} from './frames.js';

export interface Random {
  /** A whole number from 0 to below `bound`. */
  below(bound: number): number;
  pick<T>(values: readonly T[]): T;
  chance(of: number): boolean;
}

/** Mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed;
  const below = (bound: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((((t ^ (t >>> 14)) >>> 0) * bound) / 4_294_967_296) | 0;
  };
  return {
    below,
    pick: (values) => values[below(values.length)] as (typeof values)[number],
    chance: (of) => below(of) === 0,
  };
}

const LINKS = Object.keys(LINK_NUMBERS) as Link[];

export interface Shape {
  readonly links?: readonly Link[];
  readonly ports?: readonly number[];
  readonly destinations4?: readonly (readonly number[])[];
  readonly destinations6?: readonly Buffer[];
}

/** A well-formed frame with everything that frames may hold. */
export function wellFormed(random: Random, shape: Shape = {}): { link: Link; frame: Buffer } {
  const link = random.pick(shape.links ?? LINKS);
  const tags = random.chance(4)
    ? Array.from(
        { length: random.below(6) },
        () => [random.pick([0x8100, 0x88a8, 0x9100]), 5] as const,
      )
    : [];
  const frame = frameOf(link, packet(random, shape), link === 'raw' || link === 'null' ? [] : tags);
  const padding = Buffer.alloc(random.chance(3) ? random.below(40) : 0, 0xaa);
  return { link, frame: Buffer.concat([frame, padding]) };
}

/** The same, but most likely broken somewhere: bytes changed, cut off, or nothing but noise. */
export function hostile(random: Random): { link: Link; frame: Buffer } {
  if (random.chance(20)) {
    const noise = Buffer.from(Array.from({ length: random.below(120) }, () => random.below(256)));
    return { link: random.pick(LINKS), frame: noise };
  }
  const { link, frame } = wellFormed(random);
  for (let changes = random.below(4); changes > 0 && frame.length > 0; changes -= 1)
    frame[random.below(frame.length)] = random.chance(3)
      ? random.pick([0, 255])
      : random.below(256);
  return {
    link,
    frame: random.chance(3) ? frame.subarray(0, random.below(frame.length + 1)) : frame,
  };
}

function packet(random: Random, shape: Shape): Buffer {
  const port = random.pick(shape.ports ?? [0, 22, 7000, 65_535]);
  const sequence = random.pick([0, 1, 0xdeadbeef, 0xffffffff]);
  const isTcp = random.chance(2);
  const payload = isTcp
    ? tcp({ port, flags: random.below(64), sequence, sourcePort: random.below(65_536) })
    : udp({ port, sourcePort: random.below(65_536) });
  const protocol = random.chance(10) ? random.pick([1, 50, 58, 59, 132]) : isTcp ? 6 : 17;
  return random.chance(2)
    ? version4(random, shape, protocol, payload)
    : version6(random, shape, protocol, payload);
}

function version4(random: Random, shape: Shape, protocol: number, payload: Buffer): Buffer {
  return ip4(protocol, payload, {
    destination: random.pick(shape.destinations4 ?? [[192, 0, 2, 1]]),
    options: Buffer.alloc(random.chance(3) ? 4 * random.below(11) : 0, 1),
    fragment: random.chance(6) ? random.pick([0x2000, 0x4000, 0x2001, 0x0003, 0x1fff]) : 0,
    ...(random.chance(12) ? { total: random.pick([0, 20, 28, 40, 1500]) } : {}),
  });
}

function version6(random: Random, shape: Shape, protocol: number, payload: Buffer): Buffer {
  const count = random.chance(2) ? 0 : random.below(random.chance(8) ? 12 : 4);
  const chain = Array.from({ length: count }, () => header(random));
  return ip6(protocol, payload, chain, {
    ...(shape.destinations6 ? { destination: random.pick(shape.destinations6) } : {}),
    ...(random.chance(12) ? { length: random.pick([0, 8, 20, 1500]) } : {}),
  });
}

function header(random: Random): readonly [number, Buffer] {
  const number = random.pick([0, 43, 44, 51, 60]);
  if (number === 44) return [44, fragment(random.chance(4) ? 1 + random.below(8000) : 0)];
  if (number === 51) return [51, authentication(random.below(6))];
  return [number, extension(random.below(3), 0, number === 43 && random.chance(4) ? 1 : 0)];
}
