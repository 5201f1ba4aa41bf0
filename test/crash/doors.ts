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
  /** Whether the kernel itself takes back what it opens. */
  readonly kernelTimed: boolean;
  /** What the firewall is told beforehand, so that the service is shut: a command and its input. */
  readonly shut?: { readonly argv: readonly string[]; readonly input?: string };
  /** Its directives beside sequence and flags. */
  directives(folder: string): Readonly<Record<string, string | number>>;
}

/** The files that commands write their grant to, a line each, when they begin and when they end. */
export function recordsIn(folder: string): { starts: string; stops: string } {
  return { starts: `${folder}/starts`, stops: `${folder}/stops` };
}

/** `FOLDER` stands for the test's own folder. */
export interface Manners {
  /** Seconds; 1 by default. */
  readonly cmdTimeout?: number;
  /** Put into the start command before it opens, when its grant is on record already. */
  readonly beforeOpening?: string;
  /** Put behind the start command. */
  readonly afterStart?: string;
  /** Put before the stop command. */
  readonly beforeStop?: string;
}

/**
 * A door that opens by adding the source to the set `name` of the table `gate`. The stop command is
 * what docs/reliability.md asks of one: running it twice, or without a start, does no harm.
 */
export function commandDoor(
  name: string,
  sequence: readonly number[],
  port: number,
  { beforeOpening = ':', afterStart = ':', beforeStop = ':', cmdTimeout = 1 }: Manners = {},
): CrashDoor {
  const element = `element inet gate ${name} { %IP% }`;
  const rule = `tcp dport ${port} ip saddr != @${name} reject with tcp reset`;
  const chain = `chain in { type filter hook input priority 0; ${rule}; }`;
  const input = `table inet gate { set ${name} { type ipv4_addr; }\n ${chain}\n }\n`;
  return {
    ...{ name, sequence, port, cmdTimeoutMs: cmdTimeout * 1000, hasCommands: true },
    kernelTimed: false,
    shut: { argv: ['nft', '-f', '-'], input },
    directives: (folder) => {
      const { starts, stops } = recordsIn(folder);
      const start = `echo $POSTERN_GRANT >> ${starts} && ${beforeOpening} && nft add ${element}`;
      const stop = `nft 'add ${element}; delete ${element}' && echo $POSTERN_GRANT >> ${stops}`;
      return {
        start_command: `${start} && ${afterStart}`,
        stop_command: `${beforeStop.replace('FOLDER', folder)} && ${stop}`,
        cmd_timeout: cmdTimeout,
      };
    },
  };
}

/**
 * Quick commands, slow ones that a kill is likely to meet, and a start command that would open after
 * a restart has closed the door, if it lived on.
 */
export const COMMAND_DOORS: readonly CrashDoor[] = [
  commandDoor('quick', [7001, 9001, 8001], 2221),
  commandDoor('slow', [7002, 9002, 8002], 2222, {
    afterStart: 'sleep 0.5',
    beforeStop: 'sleep 0.3',
  }),
  commandDoor('late', [7008, 9008, 8008], 2228, { beforeOpening: 'sleep 2.5' }),
];

/** A start command that fails although it opened, and a stop command that fails the first time. */
export const FAILING_DOORS: readonly CrashDoor[] = [
  commandDoor('broken', [7003, 9003, 8003], 2223, { afterStart: 'false' }),
  commandDoor('stubborn', [7004, 9004, 8004], 2224, {
    beforeStop: 'cd FOLDER && { test -e $POSTERN_GRANT || { touch $POSTERN_GRANT; false; }; }',
  }),
];

/** nftables alone, and nftables with commands beside it: two sinks of one grant. */
const both = commandDoor('both', [7007, 9007, 8007], 2227, { afterStart: 'sleep 0.2' });
export const KERNEL_DOORS: readonly CrashDoor[] = [
  {
    name: 'kernel',
    sequence: [7006, 9006, 8006],
    port: 2226,
    cmdTimeoutMs: 1000,
    hasCommands: false,
    kernelTimed: true,
    directives: () => ({ allow: '2226/tcp', cmd_timeout: 1 }),
  },
  {
    ...both,
    kernelTimed: true,
    directives: (folder) => ({ ...both.directives(folder), allow: '2227/tcp' }),
  },
];

/** As the how-tos have it: two starts leave a rule behind, and a second stop fails. */
export const RULE_DOOR: CrashDoor = {
  name: 'rule',
  sequence: [7005, 9005, 8005],
  port: 2225,
  cmdTimeoutMs: 1000,
  hasCommands: true,
  kernelTimed: false,
  shut: { argv: ['iptables', ...'-A INPUT -p tcp --dport 2225 -j REJECT'.split(' ')] },
  directives: (folder) => {
    const { starts, stops } = recordsIn(folder);
    const rule = 'INPUT -s %IP% -p tcp --dport 2225 -j ACCEPT';
    return {
      start_command: `echo $POSTERN_GRANT >> ${starts}; iptables -I ${rule}`,
      stop_command: `iptables -D ${rule} && echo $POSTERN_GRANT >> ${stops}`,
      cmd_timeout: 1,
    };
  },
};

/** Text of the knockd.conf. */
export function confOf(doors: readonly CrashDoor[], folder: string): string {
  const sections = doors.map(({ name, sequence, directives }) => {
    const own = directives(folder);
    const fixed = 'one_time_sequences' in own ? {} : { sequence: sequence.join(',') };
    return section(name, { ...fixed, tcpflags: 'syn', ...own });
  });
  // One client stands for many here.
  const options = '[options]\n\tnft_guard = yes\n\tmax_attempts_per_minute = 0\n';
  return [options, ...sections].join('\n');
}
