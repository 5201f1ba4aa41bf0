/** The least time between two openings of a door for one source (G3). Monotonic milliseconds. */
import type { Door } from '../../config/types.js';
import { cooldownKey } from './keys.js';

export interface Cooldowns {
  isCool(door: Door, source: string, nowMs: number): boolean;
  /** The door was opened for the source at that time. */
  begin(door: Door, source: string, atMs: number): void;
  /** Drops those that are over. */
  purge(nowMs: number): void;
}

export function createCooldowns(): Cooldowns {
  const readyAtMs = new Map<string, number>();
  return {
    isCool: ({ name }, source, nowMs) =>
      nowMs >= (readyAtMs.get(cooldownKey(name, source)) ?? Number.NEGATIVE_INFINITY),
    begin({ name, cooldownMs }, source, atMs) {
      if (cooldownMs > 0) readyAtMs.set(cooldownKey(name, source), atMs + cooldownMs);
    },
    purge(nowMs) {
      for (const [key, readyMs] of readyAtMs) if (readyMs <= nowMs) readyAtMs.delete(key);
    },
  };
}
