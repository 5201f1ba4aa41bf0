/** T3: no scan of all ports walks through a sequence. */
import assert from 'node:assert/strict';
import { type FlagRule, TCP_FLAG } from '../../config/types.js';
import { DoorTable, type MatchDoor, type MatchRules } from '../../machines/doors.js';
import type { Knock, Packet } from '../../machines/types.js';
import { Knocks } from '../../src/knocks/knocks.js';
import type { Random } from '../capture/random.js';
import { fuzz } from './support.js';

/** As configured by default, but for the limit of attempts: a scan must fail by its strays. */
const RULES: MatchRules = { strayLimit: 3, scanLimit: 20, ignorePorts: [] };
const PORTS = 65_535;
const TIMEOUT_MS = 15_000;
/** Some 20,000 packets a second: three scans pass within the time of one sequence. */
const EVERY_MS = 0.05;

const SEQUENCES: Readonly<Record<string, string>> = {
  rising: '7000,19000,31000',
  falling: '31000,19000,7000',
  mixed: '7000,31000,19000',
  consecutive: '7000,7001,7002',
  'consecutive, falling': '7002,7001,7000',
  'at the ends': '65535,1,2',
  'of two': '7001,7000',
  'in UDP': '7000:udp,31000:udp,19000:udp',
  'of both': '7000,31000:udp,19000',
};

const ANY: FlagRule = { required: 0, excluded: 0 };
const { syn, ack, fin } = TCP_FLAG;
const PROBES = {
  SYN: { flags: syn, rule: { required: syn, excluded: ack } },
  'SYN/ACK': { flags: syn | ack, rule: { required: syn | ack, excluded: 0 } },
  FIN: { flags: fin, rule: { required: fin, excluded: 0 } },
  NULL: { flags: 0, rule: ANY },
} as const;

function knocksOf(text: string): readonly Knock[] {
  return text.split(',').map((each) => {
    const [port, protocol] = each.split(':');
    return { port: Number(port), protocol: protocol === 'udp' ? 'udp' : 'tcp' };
  });
}

const ascending = Uint16Array.from({ length: PORTS }, (_, i) => i + 1);
const descending = ascending.toReversed();

function shuffled(random: Random): Uint16Array {
  const ports = ascending.slice();
  for (let i = PORTS - 1; i > 0; i -= 1) {
    const j = random.below(i + 1);
    const [one = 0, other = 0] = [ports[i], ports[j]];
    ports[i] = other;
    ports[j] = one;
  }
  return ports;
}

/** What follows one another without a pause, within the time of a sequence. */
const ORDERS: readonly ((random: Random) => readonly Uint16Array[])[] = [
  () => [ascending, ascending],
  () => [descending, descending],
  (random) => [shuffled(random)],
  (random) => [shuffled(random), ascending],
  () => [ascending, descending],
  (random) => [shuffled(random), shuffled(random), shuffled(random)],
  () => [descending, descending, descending],
];

interface Scan {
  readonly sequence: string;
  readonly flags: number;
  readonly rule: FlagRule;
  /** One after the other, without a pause. */
  readonly rounds: readonly Uint16Array[];
}

/** How often the door opens. Where it knocks both, each port is hit by TCP and by UDP. */
function opened({ sequence, flags, rule, rounds }: Scan): number {
  const knocks = knocksOf(sequence);
  const door: MatchDoor = { name: 'd', knocks, seqTimeoutMs: TIMEOUT_MS, tcpFlags: rule };
  const protocols = [...new Set(knocks.map(({ protocol }) => protocol))];
  let opens = 0;
  const registry = new Knocks(new DoorTable([door], RULES), {
    host: { isLocal: () => true, isListening: (_, port) => port === 22 },
    limits: { maxSources: 1000, maxMachines: 100 },
    onEvent: ({ kind }) => {
      if (kind === 'completed') opens += 1;
    },
  });
  let count = 0;
  for (const ports of rounds)
    for (const port of ports)
      for (const protocol of protocols) {
        count += 1;
        registry.packet({ ...HIT, port, protocol, atMs: count * EVERY_MS, sequence: count, flags });
      }
  return opens;
}

const HIT: Packet = {
  ...{ atMs: 0, source: '198.51.100.1', destination: '192.0.2.1', protocol: 'tcp' },
  ...{ sourcePort: 50_000, port: 0, flags: 0, sequence: 0, interfaceIndex: 0 },
};

describe('scans of all ports (T3)', () => {
  it('would be seen here if they did walk through', () => {
    const rounds = [Uint16Array.of(7000, 19_000, 31_000)];
    assert.equal(opened({ sequence: '7000,19000,31000', flags: syn, rule: ANY, rounds }), 1);
  });

  const [shapes, probes] = [Object.entries(SEQUENCES), Object.entries(PROBES)];
  let turn = -1;

  // 9 shapes, 4 kinds of packet and 7 orders: after 252 cases, each has met each.
  fuzz('open no door, whatever its sequence and in whichever order', 3, (random) => {
    turn = turn < 0 ? random.below(252) : turn + 1;
    const [shape = '', sequence = ''] = shapes[turn % shapes.length] ?? [];
    const [kind, { flags, rule }] = probes[turn % probes.length] ?? ['NULL', PROBES.NULL];
    const rounds = ORDERS[turn % ORDERS.length]?.(random) ?? [];
    const opens = opened({ sequence, flags, rule, rounds });
    assert.equal(opens, 0, `${shape}, ${kind}, order ${turn}`);
  });
});
