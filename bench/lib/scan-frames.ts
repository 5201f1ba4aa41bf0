/** What a scan of all ports sends: which packets, and in which order. */
import type { Protocol } from '../../machines/types.js';
import { randomFrom } from '../../test/capture/random.js';
import { hit, type Wire } from './frames.js';

/** Every port but 0. */
export const ALL_PORTS = 65_535;

export const ORDERS = ['random', 'ascending', 'descending'] as const;
export type Order = (typeof ORDERS)[number];

/** The flags of each kind of TCP probe; a UDP probe has none. */
const FLAGS = { SYN: 0x02, 'SYN/ACK': 0x12, FIN: 0x01, NULL: 0, UDP: 0 } as const;
export type Probe = keyof typeof FLAGS;

export function protocolOf(probe: Probe): Protocol {
  return probe === 'UDP' ? 'udp' : 'tcp';
}

// Where fields stand in an IPv4 frame without VLAN tags and options.
const PORT_AT = 36;
const SEQUENCE_AT = 38;
const FLAGS_AT = 47;

/** The ports of one scan; random ones by the seed. */
export function portsOf(order: Order, seed: number): Uint16Array {
  const ports = Uint16Array.from({ length: ALL_PORTS }, (_, index) => index + 1);
  if (order === 'random') shuffle(ports, seed);
  return order === 'descending' ? ports.reverse() : ports;
}

function shuffle(ports: Uint16Array, seed: number): void {
  const random = randomFrom(seed);
  for (let at = ports.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    const [one = 0, two = 0] = [ports[at], ports[other]];
    ports[at] = two;
    ports[other] = one;
  }
}

/**
 * One probe, and `aim` to turn it to another port. Each gets a sequence number of its own: with the
 * same for all, as some scanners send, later ones would pass for retransmissions of a knock (M5),
 * which is easier on whoever is scanned. Its TCP checksum is wrong, so the host's kernel is silent.
 */
export function probeFrame(wire: Wire, source: string, probe: Probe) {
  const protocol = protocolOf(probe);
  const bytes = Buffer.from(hit(wire, source, 1, protocol), 'hex');
  if (protocol === 'tcp') bytes.writeUInt8(FLAGS[probe], FLAGS_AT);
  const aim = (port: number, sequence: number) => {
    bytes.writeUInt16BE(port, PORT_AT);
    if (protocol === 'tcp') bytes.writeUInt32BE(sequence, SEQUENCE_AT);
  };
  return { bytes, aim };
}
