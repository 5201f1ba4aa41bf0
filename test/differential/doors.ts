/**
 * The doors of the differential test: one configuration file that both programs read, and the same
 * doors as values for the models. They share prefixes and ports, differ in flags, protocols,
 * targets and timeouts, and run no command (knockd forks for every one).
 */
import { TCP_FLAG } from '../../config/types.js';
import type { Knock } from '../../machines/types.js';
import type { ModelDoor } from '../model/types.js';

/** An address that is not the server's own; knocked on by doors with `Target`. */
export const AWAY = '192.0.2.9';

interface DoorText {
  readonly name: string;
  readonly sequence: string;
  readonly flags?: 'syn' | 'ack,!syn' | 'syn,!ack';
  readonly target?: string;
  readonly seconds: number;
}

const DOORS: readonly DoorText[] = [
  { name: 'plain', sequence: '7001,7002,7003', flags: 'syn', seconds: 2 },
  { name: 'same', sequence: '7001,7002,7003', flags: 'syn,!ack', seconds: 2 },
  { name: 'longer', sequence: '7001,7002,7004,7005', flags: 'syn', seconds: 2 },
  { name: 'mixed', sequence: '7003:udp,7002,7001:udp', flags: 'syn', seconds: 2 },
  { name: 'twice', sequence: '7006,7006,7007', flags: 'syn', seconds: 2 },
  { name: 'round', sequence: '7005,7006,7005,7008', flags: 'syn', seconds: 2 },
  { name: 'acked', sequence: '7002,7008', flags: 'ack,!syn', seconds: 2 },
  { name: 'single', sequence: '7009:udp', seconds: 2 },
  { name: 'away', sequence: '7001,7004', flags: 'syn', target: AWAY, seconds: 2 },
  { name: 'any', sequence: '7010,7003,7011', seconds: 1 },
];

const FLAGS = {
  syn: { required: TCP_FLAG.syn, excluded: 0 },
  'syn,!ack': { required: TCP_FLAG.syn, excluded: TCP_FLAG.ack },
  'ack,!syn': { required: TCP_FLAG.ack, excluded: TCP_FLAG.syn },
} as const;

function knockOf(text: string): Knock {
  const [port, protocol] = text.split(':');
  return { port: Number(port), protocol: protocol === 'udp' ? 'udp' : 'tcp' };
}

/** The doors as the models see them. */
export const MODEL_DOORS: readonly ModelDoor[] = DOORS.map((door) => ({
  name: door.name,
  knocks: door.sequence.split(',').map(knockOf),
  seqTimeoutMs: door.seconds * 1000,
  tcpFlags: door.flags === undefined ? { required: 0, excluded: 0 } : FLAGS[door.flags],
  ...(door.target === undefined ? {} : { target: door.target }),
}));

/** The doors as a knockd.conf; `options` are lines for `[options]`. */
export function configurationText(options: readonly string[]): string {
  const sections = DOORS.map((door) => [
    `[${door.name}]`,
    `sequence = ${door.sequence}`,
    `seq_timeout = ${door.seconds}`,
    ...(door.flags === undefined ? [] : [`tcpflags = ${door.flags}`]),
    ...(door.target === undefined ? [] : [`target = ${door.target}`]),
  ]);
  return `${[['[options]', ...options], ...sections].map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
