/** The doors of the crash tests. Every kind of door that postern has belongs here. */
import { section } from '../support/conf.js';

export interface CrashDoor {
  readonly name: string;
  readonly sequence: readonly number[];
  /** The TCP service behind it. */
  readonly port: number;
  readonly cmdTimeoutMs: number;
  /** Whether its commands write to `starts` and `stops`. */
  readonly hasCommands: boolean;
  /** Its directives beside sequence, flags and time. */
  directives(folder: string): Readonly<Record<string, string | number>>;
}

/** The files that commands write their grant to, a line each, when they begin and when they end. */
export function recordsIn(folder: string): { starts: string; stops: string } {
  return { starts: `${folder}/starts`, stops: `${folder}/stops` };
}

/** `FOLDER` stands for the test's own folder. */
interface Manners {
  /** Put behind the start command. */
  readonly afterStart?: string;
  /** Put before the stop command. */
  readonly beforeStop?: string;
}

/**
 * A door that opens by adding the source to the set `name` of the table `gate`. The stop command is
 * what docs/reliability.md asks of one: running it twice, or without a start, does no harm.
 */
function commandDoor(
  name: string,
  sequence: readonly number[],
  port: number,
  { afterStart = ':', beforeStop = ':' }: Manners = {},
): CrashDoor {
  const cmdTimeoutMs = 1000;
  const element = `element inet gate ${name} { %IP% }`;
  return {
    ...{ name, sequence, port, cmdTimeoutMs, hasCommands: true },
    directives: (folder) => {
      const { starts, stops } = recordsIn(folder);
      const start = `echo $POSTERN_GRANT >> ${starts} && nft add ${element}`;
      const stop = `nft 'add ${element}; delete ${element}' && echo $POSTERN_GRANT >> ${stops}`;
      return {
        start_command: `${start} && ${afterStart}`,
        stop_command: `${beforeStop.replace('FOLDER', folder)} && ${stop}`,
        cmd_timeout: cmdTimeoutMs / 1000,
      };
    },
  };
}

/** Quick commands, and slow ones that a kill is likely to meet. */
export const COMMAND_DOORS: readonly CrashDoor[] = [
  commandDoor('quick', [7001, 9001, 8001], 2221),
  commandDoor('slow', [7002, 9002, 8002], 2222, {
    afterStart: 'sleep 0.5',
    beforeStop: 'sleep 0.3',
  }),
];

/** A start command that fails although it opened, and a stop command that fails the first time. */
export const FAILING_DOORS: readonly CrashDoor[] = [
  commandDoor('broken', [7003, 9003, 8003], 2223, { afterStart: 'false' }),
  commandDoor('stubborn', [7004, 9004, 8004], 2224, {
    beforeStop: 'cd FOLDER && { test -e $POSTERN_GRANT || { touch $POSTERN_GRANT; false; }; }',
  }),
];

/** Text of the knockd.conf. */
export function confOf(doors: readonly CrashDoor[], folder: string): string {
  const sections = doors.map((door) =>
    section(door.name, {
      sequence: door.sequence.join(','),
      tcpflags: 'syn',
      ...door.directives(folder),
    }),
  );
  return sections.join('\n');
}

/** Everything behind a door with commands is refused unless its set has the source. */
export function gateOf(doors: readonly CrashDoor[]): string {
  const guarded = doors.filter(({ hasCommands }) => hasCommands);
  const sets = guarded.map(({ name }) => `set ${name} { type ipv4_addr; }`);
  const rules = guarded.map(
    ({ name, port }) => `tcp dport ${port} ip saddr != @${name} reject with tcp reset`,
  );
  return `table inet gate {
    ${sets.join('\n')}
    chain in { type filter hook input priority 0; policy accept; ${rules.join('; ')}; }
  }\n`;
}
