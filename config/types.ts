/**
 * What an operator's configuration means once it is understood. Text becomes these values exactly
 * once, in `config/load.ts`; nobody behind that border checks them again.
 */

import type { Knock, Protocol } from '../machines/types.js';
import type { SinkSettings } from '../sinks/settings.js';

/** TCP flag bits, as they stand in byte 13 of the TCP header (RFC 9293). */
export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

/** `TCPFlags`: every `required` bit must be set and no `excluded` one (M2). Zero and zero: any. */
export interface FlagRule {
  readonly required: number;
  readonly excluded: number;
}

export type SequenceSource =
  | { readonly kind: 'fixed'; readonly knocks: readonly Knock[] }
  /** `One_Time_Sequences`: the file is read at run time by `config/one-time-file.ts`. */
  | { readonly kind: 'oneTime'; readonly file: string };

/** What happens when a source completes a door again while its grant is open (G2). */
export type Reknock = 'extend' | 'rerun' | 'ignore';

/**
 * `run_on`: the host that was knocked, each host of the cluster, or exactly one of them, any. A host
 * alone is a cluster of one.
 */
export type RunOn = 'here' | 'everywhere' | 'once';

/** One section of the configuration: a sequence, its conditions, and what happens on completion. */
export interface Door {
  /** Shown in logs. Unique: the second section of one name is `name#2`. */
  readonly name: string;
  /** 1-based line of the section header. */
  readonly line: number;
  readonly sequence: SequenceSource;
  readonly seqTimeoutMs: number;
  readonly tcpFlags: FlagRule;
  /** Canonical address text. Absent: any address of the interface (M1). */
  readonly target?: string;
  /** Commands with `%IP%` unexpanded. Absent: none given. */
  readonly startCommand?: string;
  readonly stopCommand?: string;
  /** Absent: falls back to the IPv4 command. Empty: do nothing for IPv6. */
  readonly startCommand6?: string;
  readonly stopCommand6?: string;
  /** `allow`: what the nftables sink lets the source reach. Empty: the sink has nothing to do. */
  readonly allow: readonly AllowRule[];
  /** `kill_established`: connections that are up end with the grant. */
  readonly killEstablished: boolean;
  /** `sinks`: which of the configuration's sinks act on its grants too, each once. */
  readonly sinks: readonly string[];
  /** `Cmd_Timeout`: how long a grant stays open (G1). */
  readonly cmdTimeoutMs: number;
  readonly reknock: Reknock;
  /** Which host of a cluster acts on a completion. */
  readonly runOn: RunOn;
  /** Least time between two openings for one source at this door (G3). 0: none. */
  readonly cooldownMs: number;
  /** A start command that has a stop, and every stop command, is killed after this (G10). */
  readonly commandTimeoutMs: number;
  /** How often a failing stop command is tried again (G5). */
  readonly stopRetries: number;
}

/** One `allow` entry: `22/tcp`, `60000-61000/udp`. */
export interface AllowRule {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

/** `nft_table`: a table of the user's that holds postern's sets. */
export interface NftTable {
  readonly family: 'inet' | 'ip' | 'ip6';
  readonly name: string;
}

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface Options {
  readonly useSyslog: boolean;
  readonly logFile?: string;
  /** `log = off`: no stage, opening or timeout lines for those who want none. */
  readonly log: boolean;
  /** Empty (`PidFile =`): none is written. */
  readonly pidFile: string;
  /** Absent: none given (G8: eth0, else the default route's). `any` stands as itself. */
  readonly interfaces?: readonly string[];
  readonly stateDir: string;
  /** `local_redis`: URL of a Redis to use instead of the private one. */
  readonly localRedis?: string;
  /** `cluster`: its name; given together with `redis`. Absent: this host stands alone. */
  readonly cluster?: string;
  /** `host`: this host's name in the journal and in the cluster. Absent: the system's. */
  readonly host?: string;
  /** Of the keys that authenticate what hosts of the cluster tell each other. */
  readonly clusterKeyFile: string;
  /** `redis`: URL of the Redis that the cluster shares. */
  readonly redis?: string;
  readonly redisPasswordFile?: string;
  /** Certificates that sign the server's, for `rediss://`. Absent: those of the system. */
  readonly redisCaFile?: string;
  /** This host's own certificate and its key, for a server that asks for one. */
  readonly redisCertFile?: string;
  readonly redisKeyFile?: string;
  /** So many replicas must confirm a one-time claim (`redis_wait`). 0: none. */
  readonly redisWait: number;
  /** Hosts' wall clocks may differ by so much. */
  readonly clockToleranceMs: number;
  /** More different stray ports than this spoil an attempt (M7). `off`: knock ports only. */
  readonly strayLimit: number | 'off';
  /** A source with more different stray ports than this begins no attempt (M7). */
  readonly scanLimit: number;
  /** Ports that are never strays (M7). */
  readonly ignorePorts: readonly PortRange[];
  /** A source that begins more attempts is ignored for a minute (M12). 0: no limit. */
  readonly maxAttemptsPerMinute: number;
  readonly maxSources: number;
  readonly maxMachines: number;
  /** Start commands that run at once; the rest queue. Stops have a pool of the same size. */
  readonly maxCommands: number;
  readonly captureBufferBytes: number;
  readonly closeOnExit: boolean;
  /** The user the sensor runs as when the core is root. */
  readonly sensorUser: string;
  /** `nft_guard`: postern's own table drops new connections to allowed ports. */
  readonly nftGuard: boolean;
  /** Absent: postern's sets live in its own table, `inet postern`. */
  readonly nftTable?: NftTable;
  /** Journal length that is kept; an open grant is never cut off. */
  readonly journalLength: number;
}

export interface Configuration {
  readonly file: string;
  readonly options: Options;
  readonly doors: readonly Door[];
  /** The sections [webhook:NAME], [email:NAME] and [module:NAME]; no two have one name. */
  readonly sinks: readonly SinkSettings[];
}

/** One finding about a configuration. Never holds a port of a sequence (DESIGN 9). */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** Stable code, `POSTERN_E_…` or `POSTERN_W_…`. */
  readonly code: string;
  readonly file: string;
  /** 1-based; 0 when the finding is about the whole file. */
  readonly line: number;
  /** 1-based column of the offending text; 0 when about the whole line. */
  readonly column: number;
  /** What is wrong, and what would be right, in one sentence. */
  readonly message: string;
}
