/** The exec sink: a door's start and stop commands, as knockd runs them. */
import { canonicalAddress } from '../config/address.js';
import { type Commands, commandsFor, expandCommand, type Family } from '../config/commands.js';
import type { Door } from '../config/types.js';
import { PosternError } from '../src/errors.js';
import type { Log } from '../src/log/types.js';
import { type CommandRequest, type RunningCommand, startCommand } from './command.js';
import { createPool } from './pool.js';
import { createShells } from './shells.js';
import type { Sink, SinkGrant } from './types.js';

/** What knockd prints about commands; the command as configured, `%IP%` unexpanded. */
export interface GrantLine {
  readonly kind: 'running-command' | 'command-timeout';
  readonly door: string;
  readonly source: string;
  readonly command: string;
}

export interface ExecOptions {
  /** Start commands that run at once; the rest wait. Stops have a pool of the same size. */
  readonly maxCommands: number;
  readonly log: Log;
  readonly onLine?: (line: GrantLine) => void;
}

/** The commands of one host: what they share is the pools. */
export interface Exec {
  /** The sink of a door for sources of one family; undefined: the door runs nothing for them. */
  sink(door: Door, family: Family): Sink | undefined;
  /** Has shells ready for the first command, if one of the doors has any. */
  prepare(doors: readonly Door[]): void;
  /** Lets go of all running commands: they run on when this process ends. */
  release(): void;
}

export function createExec({ maxCommands, log, onLine = () => {} }: ExecOptions): Exec {
  const starts = createPool(maxCommands);
  // A close never waits for a start command, however long that runs (DESIGN 11).
  const stops = createPool(maxCommands);
  const shells = createShells();
  const running = new Set<RunningCommand>();
  // A stop command that is tried again did not time out again.
  const timedOut = new Set<string>();

  async function run(
    kind: 'start' | 'stop',
    command: string,
    door: Door,
    grant: SinkGrant,
    overdue: 'end' | 'leave',
    signal: AbortSignal,
  ): Promise<void> {
    const { source, id, host } = grant;
    // Wherever the grant came from: a shell reads this (T7).
    if (canonicalAddress(source) !== source)
      throw new PosternError('POSTERN_E_COMMAND', 'the command is not run for what is no address');
    onLine({ kind: 'running-command', door: door.name, source, command });
    const request: CommandRequest = {
      command: expandCommand(command, source),
      environment: {
        POSTERN_DOOR: door.name,
        POSTERN_SOURCE: source,
        POSTERN_GRANT: id,
        POSTERN_HOST: host,
      },
      timeoutMs: door.commandTimeoutMs,
      overdue,
      signal,
      onOutput: (stream, line) =>
        log.info({ door: door.name, source, grant: id, command: kind, stream }, line),
    };
    const started = startCommand(request, shells);
    running.add(started);
    try {
      await started.done;
    } finally {
      running.delete(started);
    }
  }

  function closer(stop: string, door: Door): NonNullable<Sink['close']> {
    return async (grant, signal) => {
      const { source, id } = grant;
      if (!timedOut.has(id)) {
        timedOut.add(id);
        onLine({ kind: 'command-timeout', door: door.name, source, command: stop });
      }
      await stops.run(() => run('stop', stop, door, grant, 'end', signal), signal);
      timedOut.delete(id);
    };
  }

  function sinkOf(door: Door, { start, stop }: Commands): Sink | undefined {
    if (start === undefined) return undefined;
    const overdue = stop === undefined ? 'leave' : 'end';
    return {
      name: 'exec',
      open: (grant, signal) =>
        starts.run(() => run('start', start, door, grant, overdue, signal), signal),
      ...(stop !== undefined && { close: closer(stop, door) }),
    };
  }

  return {
    sink: (door, family) => sinkOf(door, commandsFor(door, family)),
    prepare(doors) {
      const runs = (door: Door) =>
        ([4, 6] as const).some((family) => commandsFor(door, family).start !== undefined);
      if (doors.some(runs)) shells.fill();
    },
    release() {
      shells.close();
      for (const command of running) command.release();
      running.clear();
    },
  };
}
