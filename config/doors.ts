/** The directives of a door, and what becomes of a section that holds them. */
import type { Directive } from './directives.js';
import { allowRules } from './firewall-values.js';
import { ANY_FLAGS, readTcpFlags } from './flags.js';
import { type DoorDefaults, SHARED_DIRECTIVES } from './options.js';
import { map } from './reading.js';
import { readSequence } from './sequence.js';
import { type NamedSink, sinkNames } from './sink-names.js';
import type { Door, FlagRule, SequenceSource } from './types.js';
import { address, atoiSeconds, nonEmpty, openTime, part, verbatim, yesOrNo } from './values.js';

/** A door being read; what both kinds of sequence become is decided at its end. */
export type DoorDraft = Omit<Door, 'name' | 'line' | 'sequence' | 'sinks'> & {
  readonly fixed?: SequenceSource;
  readonly oneTime?: SequenceSource;
  readonly namedSinks: readonly NamedSink[];
};

export function emptyDoor(defaults: DoorDefaults): DoorDraft {
  const { runOn, reknock, cooldownMs, commandTimeoutMs, stopRetries } = defaults;
  return {
    seqTimeoutMs: 25_000,
    tcpFlags: ANY_FLAGS,
    allow: [],
    killEstablished: false,
    namedSinks: [],
    cmdTimeoutMs: 10_000,
    runOn,
    reknock,
    cooldownMs,
    commandTimeoutMs,
    stopRetries,
  };
}

const fixed = (text: string) =>
  map(readSequence(text), (knocks): Partial<DoorDraft> => ({ fixed: { kind: 'fixed', knocks } }));

const flags = (text: string, draft: DoorDraft) =>
  map(readTcpFlags(text, draft.tcpFlags), (tcpFlags: FlagRule) => ({ tcpFlags }));

export const DOOR_DIRECTIVES: readonly Directive<DoorDraft>[] = [
  { name: 'Sequence', read: fixed },
  {
    name: 'One_Time_Sequences',
    read: part(nonEmpty('the path of a file'), (file) => ({ oneTime: { kind: 'oneTime', file } })),
  },
  {
    name: 'Seq_Timeout',
    aliases: ['Timeout'],
    // Zero or less: nothing but a single knock is ever in time, in knockd as here.
    read: part(atoiSeconds, (ms) => ({ seqTimeoutMs: Math.max(0, ms) })),
  },
  { name: 'TCPFlags', repeated: 'adds up', read: flags },
  { name: 'Target', read: part(address, (target) => ({ target })) },
  {
    name: 'Start_Command',
    aliases: ['Command'],
    read: part(verbatim, (startCommand) => ({ startCommand })),
  },
  {
    name: 'Start_Command_6',
    aliases: ['Command_6'],
    read: part(verbatim, (startCommand6) => ({ startCommand6 })),
  },
  { name: 'Cmd_Timeout', read: part(openTime, (cmdTimeoutMs) => ({ cmdTimeoutMs })) },
  { name: 'Stop_Command', read: part(verbatim, (stopCommand) => ({ stopCommand })) },
  { name: 'Stop_Command_6', read: part(verbatim, (stopCommand6) => ({ stopCommand6 })) },
  { name: 'allow', read: part(allowRules, (allow) => ({ allow })) },
  { name: 'sinks', read: part(sinkNames, (namedSinks) => ({ namedSinks })) },
  { name: 'kill_established', read: part(yesOrNo, (killEstablished) => ({ killEstablished })) },
  ...SHARED_DIRECTIVES,
];
