/** Doors of a cluster's tests, and what their hosts' firewalls are told beforehand. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunOn } from '../../../config/types.js';
import { type CrashDoor, commandDoor, confOf, type Manners, recordsIn } from '../../crash/doors.js';
import { linesOf } from '../../support/lines.js';
import type { Bastion } from '../lab/bastion.js';
import type { ClusterOptions } from '../lab/cluster.js';

export type ClusterDoor = CrashDoor;

/** A door that the kernel times. */
export function kernelDoor(
  name: string,
  sequence: readonly number[],
  port: number,
  { cmdTimeout = 4, runOn = 'here' }: { cmdTimeout?: number; runOn?: RunOn } = {},
): ClusterDoor {
  return {
    ...{ name, sequence, port, cmdTimeoutMs: cmdTimeout * 1000, hasCommands: false },
    kernelTimed: true,
    directives: () => ({ allow: `${port}/tcp`, cmd_timeout: cmdTimeout, run_on: runOn }),
  };
}

/** A door that opens and closes by commands, which write their grants to files. */
export function commandsDoor(
  name: string,
  sequence: readonly number[],
  port: number,
  { runOn = 'here', ...manners }: Manners & { runOn?: RunOn } = {},
): ClusterDoor {
  const door = commandDoor(name, sequence, port, manners);
  return { ...door, directives: (folder) => ({ ...door.directives(folder), run_on: runOn }) };
}

/** A door that only runs a command, which writes its grant to `starts`. */
export function triggerDoor(name: string, sequence: readonly number[], runOn: RunOn): ClusterDoor {
  return {
    ...{ name, sequence, port: 0, cmdTimeoutMs: 0, hasCommands: true, kernelTimed: false },
    directives: (folder) => ({
      start_command: `echo $POSTERN_GRANT >> ${recordsIn(folder).starts}`,
      run_on: runOn,
    }),
  };
}

/** The same door with the sequences of a file in each host's folder. */
export function oneTime(door: ClusterDoor): ClusterDoor {
  return {
    ...door,
    directives: (folder) => ({
      ...door.directives(folder),
      one_time_sequences: sequencesOf(folder, door),
    }),
  };
}

function sequencesOf(folder: string, { name }: ClusterDoor): string {
  return join(folder, `${name}.sequences`);
}

/** Sequences of which none is a part of another. */
export function sequences(count: number): number[][] {
  return Array.from({ length: count }, (_, index) => [
    10_000 + index,
    40_000 + index,
    20_000 + index,
  ]);
}

/** Writes a host's own copy of a one-time door's file, nothing of it used. */
export async function writeSequences(
  { folder }: Bastion,
  door: ClusterDoor,
  all: readonly (readonly number[])[],
): Promise<void> {
  const text = all.map((sequence) => `${sequence.join(',')}\n`).join('');
  await writeFile(sequencesOf(folder, door), text, { mode: 0o600 });
}

/** Which lines of its copy are marked as used. */
export async function marked({ folder }: Bastion, door: ClusterDoor): Promise<boolean[]> {
  return (await linesOf(sequencesOf(folder, door))).map((line) => line.startsWith('#'));
}

/** How many sequences the host says that the door has left. */
export async function left(host: Bastion, { name }: ClusterDoor): Promise<number | undefined> {
  const { doors } = await host.status();
  return doors.find(({ door }) => door === name)?.sequencesLeft;
}

/** Hosts with these doors, shut; one-time ones, by their names, have these sequences. */
export function withDoors(
  doors: readonly ClusterDoor[],
  all: Readonly<Record<string, readonly (readonly number[])[]>> = {},
): Required<Pick<ClusterOptions, 'configuration' | 'before'>> {
  return {
    configuration: ({ folder }) => confOf(doors, folder),
    async before(host) {
      for (const door of doors) {
        const own = all[door.name];
        if (own !== undefined) await writeSequences(host, door, own);
        if (door.shut === undefined) continue;
        const { argv, input = '' } = door.shut;
        await host.network.must('server', argv, { input });
      }
    },
  };
}

/** Grants as the start commands of a host wrote them. */
export function started({ folder }: Bastion): Promise<string[]> {
  return linesOf(recordsIn(folder).starts);
}

export function stopped({ folder }: Bastion): Promise<string[]> {
  return linesOf(recordsIn(folder).stops);
}
