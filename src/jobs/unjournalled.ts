/** Which doors open though the journal is out of reach (T14). */
import type { Door } from '../../config/types.js';
import type { Sink } from '../../sinks/types.js';

/**
 * A door with a fixed sequence whose every sink is timed by the kernel: whatever becomes of postern
 * and its journal, it closes, so nobody needs to be locked out by a full disk. A one-time sequence
 * cannot be used up without the journal, and a command nobody remembers would never be taken back.
 */
export function maySkipJournal(door: Door, sinks: readonly Sink[]): boolean {
  const isTimed = sinks.length > 0 && sinks.every(({ kernelTimed }) => kernelTimed === true);
  return isTimed && door.sequence.kind === 'fixed';
}
