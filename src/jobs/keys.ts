/** Which grants must never be live at once, and what a job is called. */
import { actingSinks, commandsFor, type Family, isShared } from '../../config/commands.js';
import type { Door } from '../../config/types.js';

/** The family of an address in canonical text. */
export function familyOf(source: string): Family {
  return source.includes(':') ? 6 : 4;
}

/**
 * At most one grant of a key is live on a host: a door and a source (DESIGN 6), or the door alone
 * when its commands name no source (G9) and nothing else is given to one. What it does is part of it:
 * after a reload that changed that it is another door. Undefined where each completion stands alone:
 * without anything to take back (G3), whoever is told of it, and with `reknock = rerun` (G2).
 */
export function exclusionKey(door: Door, source: string): string | undefined {
  const family = familyOf(source);
  const { start, stop } = commandsFor(door, family);
  const allows = door.allow.length > 0;
  const modules = actingSinks(door);
  const takesBack = stop !== undefined || allows || modules.length > 0;
  if (!takesBack || door.reknock === 'rerun') return undefined;
  const does = [start, stop, ...(allows ? [door.allow, door.killEstablished] : []), ...modules];
  return JSON.stringify([door.name, ...does, isShared(door, family) ? '' : source]);
}

/** What `cooldown` counts by (G3): a door and a source. */
export function cooldownKey(door: string, source: string): string {
  return JSON.stringify([door, source]);
}

/** A grant's id in a job's id: BullMQ takes no `:` there, and a host's name may hold one. */
export function jobId(kind: 'open' | 'close', grant: string, round: number): string {
  return `${encodeURIComponent(grant)}.${kind}.${round}`;
}
