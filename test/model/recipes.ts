/** Recipes of streams: by fast-check, which shrinks, and by seed, which is a hundred times faster. */
import fc from 'fast-check';
import {
  type DoorRecipe,
  FLAG_RULES,
  GAPS_MS,
  PORT_ALPHABET,
  SCAN_LIMITS,
  SOURCES,
  STEP_KINDS,
  STRAY_LIMITS,
  type StreamRecipe,
  TARGETS,
  TIMEOUTS_MS,
} from './streams.js';

const below = (count: number) => fc.nat({ max: count - 1 });

const knockRecipe = fc.record({
  port: below(PORT_ALPHABET),
  udp: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
});

const doorRecipe: fc.Arbitrary<DoorRecipe> = fc.record({
  knocks: fc.oneof(
    { weight: 5, arbitrary: fc.array(knockRecipe, { minLength: 2, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(knockRecipe, { minLength: 1, maxLength: 1 }) },
  ),
  flags: below(FLAG_RULES.length),
  target: below(TARGETS.length),
  timeout: below(TIMEOUTS_MS.length),
});

const stepRecipe = fc.record({
  source: below(SOURCES.length),
  kind: below(STEP_KINDS.length),
  pick: below(60),
  gap: below(GAPS_MS.length),
});

/** Streams of up to `maxSteps` steps at one to four doors. */
export function streamRecipe(maxSteps: number): fc.Arbitrary<StreamRecipe> {
  return fc.record({
    doors: fc.array(doorRecipe, { minLength: 1, maxLength: 4 }),
    rules: fc.record({
      strayLimit: below(STRAY_LIMITS.length),
      scanLimit: below(SCAN_LIMITS.length),
    }),
    steps: fc.array(stepRecipe, { minLength: 1, maxLength: maxSteps, size: 'max' }),
  });
}

/** A small generator of numbers below `n`, the same for the same seed (xorshift32). */
export function seeded(seed: number): (n: number) => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1;
  return (n) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % n;
  };
}

/** The recipe of a seed: what `streamRecipe` makes, without fast-check. */
export function seededRecipe(seed: number, steps: number): StreamRecipe {
  const next = seeded(seed);
  const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
  return {
    doors: many(1 + next(4), () => ({
      knocks: many(next(6) === 0 ? 1 : 2 + next(3), () => ({
        port: next(PORT_ALPHABET),
        udp: next(6) === 0,
      })),
      flags: next(FLAG_RULES.length),
      target: next(TARGETS.length),
      timeout: next(TIMEOUTS_MS.length),
    })),
    rules: { strayLimit: next(STRAY_LIMITS.length), scanLimit: next(SCAN_LIMITS.length) },
    steps: many(steps, () => ({
      source: next(SOURCES.length),
      kind: next(STEP_KINDS.length),
      pick: next(60),
      gap: next(GAPS_MS.length),
    })),
  };
}
