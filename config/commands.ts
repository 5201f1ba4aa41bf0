/** Which commands a door runs for a source, by knockd's rules. */
import type { Door } from './types.js';

export type Family = 4 | 6;

/** Absent: nothing is run. Never empty. */
export interface Commands {
  readonly start?: string;
  readonly stop?: string;
}

const ADDRESS = '%IP%';

/**
 * The commands of a door for sources of one family, `%IP%` unexpanded. For IPv6 a missing `_6`
 * command falls back to the other one, and an empty one means nothing (knockd(1)). Without a start
 * command the stop command does not run either, as in knockd (`process_attempt` in knockd.c).
 */
export function commandsFor(door: Door, family: Family): Commands {
  const start = (family === 6 ? door.startCommand6 : undefined) ?? door.startCommand;
  const stop = (family === 6 ? door.stopCommand6 : undefined) ?? door.stopCommand;
  if (!start) return {};
  return { start, ...(stop && { stop }) };
}

/** Puts the source's address (canonical text) in for every `%IP%`. */
export function expandCommand(command: string, source: string): string {
  return command.replaceAll(ADDRESS, () => source);
}

/** Whether a command names the source. */
export function namesSource(command: string): boolean {
  return command.includes(ADDRESS);
}

/**
 * Whether the door opens for everyone (G9): it has a stop command, and none of its commands names
 * the source, so its grant belongs to the door and not to a source. Never so of a door with
 * `allow` or a module, which are for its source. With a family, only the
 * commands that sources of that family run are judged; a door may well be shared for one family
 * and not for the other (`Command` without `%IP%`, `Command_6` with it), so whoever knows the
 * source asks with its family. Without one: for every family that has commands.
 */
export function isShared(door: Door, family?: Family): boolean {
  if (door.allow.length > 0 || actingSinks(door).length > 0) return false;
  const families: readonly Family[] = family === undefined ? [4, 6] : [family];
  const commands = families
    .map((each) => commandsFor(door, each))
    .filter(({ start }) => start !== undefined);
  return commands.length > 0 && commands.every(sharedCommands);
}

/** The sinks of a door that act for its source. The others that it names only tell of it. */
export function actingSinks({ sinks }: Pick<Door, 'sinks'>): readonly string[] {
  return sinks.filter((name) => name.startsWith('module:'));
}

/** Whether commands that open and close do so for everyone, whoever knocked. */
export function sharedCommands({ start = '', stop }: Commands): boolean {
  return stop !== undefined && !namesSource(start) && !namesSource(stop);
}
