/** A host's sign of life, as it stands in the shared Redis. */
import { z } from 'zod';
import { sealText, unsealText } from './envelope.js';
import type { ClusterKeys } from './types.js';

/** Tells it apart from whatever else is sealed. */
const PURPOSE = 'beat';
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

const beat = z.object({
  host: z.string().regex(NAME),
  /** Random, another for each start of the host. */
  instance: z.string().min(1).max(64),
  /** Grows with each beat of an instance. */
  counter: z.number().int().nonnegative(),
  /** The host's wall clock, milliseconds since the epoch. */
  atMs: z.number(),
  /** That clock is ahead of the shared Redis's by so much. */
  aheadMs: z.number(),
  version: z.string().max(64),
  /** Doors by name, with their digest (`doorDigests`). */
  doors: z.array(z.tuple([z.string(), z.string()])),
  /** The host has ended: this is its last beat. */
  stopping: z.boolean(),
});

export type Beat = z.infer<typeof beat>;

/** When it was written, by the clock of the shared Redis, which is the same for all hosts. */
export function sharedTimeOf({ atMs, aheadMs }: Beat): number {
  return atMs - aheadMs;
}

/** Whether it can be the name of a host; the shared Redis may hold anything. */
export function isHostName(text: string): boolean {
  return NAME.test(text);
}

export function sealBeat(keys: ClusterKeys, cluster: string, content: Beat): string {
  return sealText(keys, cluster, PURPOSE, JSON.stringify(content));
}

/**
 * The beat that stands under the name of that host. `foreign`: it does not verify under any of the
 * keys, or is another host's. `newer`: it verifies, and is not understood.
 */
export function unsealBeat(
  keys: ClusterKeys,
  cluster: string,
  host: string,
  text: string,
): Beat | 'foreign' | 'newer' {
  const json = unsealText(keys, cluster, PURPOSE, text);
  if (json === undefined) return 'foreign';
  const content = beat.safeParse(parseJson(json)).data;
  if (content === undefined) return 'newer';
  return content.host === host ? content : 'foreign';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
