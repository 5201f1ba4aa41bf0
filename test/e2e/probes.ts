/**
 * What a scanner sends to find out who listens: hand-made frames with every checksum right, always
 * the same, so that what comes back can be compared.
 */
import { addressWords } from '../../src/knocks/address-words.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';

export interface Ends {
  /** Hardware addresses (`aa:bb:…`) of the scanner and of the host that it looks at. */
  readonly scanner: string;
  readonly host: string;
}

export interface Knock {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

const TYPES = { ip4: 0x0800, arp: 0x0806, vlan: 0x8100, ip6: 0x86dd } as const;
const [ICMP, TCP, UDP, FRAGMENT, ICMP6, UNKNOWN] = [1, 6, 17, 44, 58, 253];
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** Not the host's: only a card in promiscuous mode takes such frames in. */
const WRONG = ['02:00:00:00:00:99', 'ff:ff:ff:ff:ff:fe', 'ff:ff:00:00:00:00', '01:00:00:00:00:00'];
const SYN = 2;
/** SYN, FIN, NULL, Xmas, ACK, SYN/ACK, RST. */
const TCP_FLAGS = [SYN, 1, 0, 0x29, 0x10, 0x12, 4];
const MORE_FRAGMENTS = 0x2000;

const u16 = (...values: readonly number[]) =>
  Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));
const hardware = (address: string) => Buffer.from(address.replaceAll(':', ''), 'hex');

function addressBytes(text: string): Buffer {
  const words = new Uint32Array(4);
  addressWords(text, words);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word, index * 4);
  return text.includes(':') ? bytes : bytes.subarray(12);
}

/** The internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Buffer;
  /** IPv4: flags and offset, in units of 8 bytes, and what its pieces have in common. */
  readonly fragment?: number;
  readonly id?: number;
}

function ipPacket({
  source,
  destination,
  protocol,
  payload,
  fragment = 0,
  id = 7,
}: Packet): Buffer {
  const ends = [addressBytes(source), addressBytes(destination)];
  if (source.includes(':')) {
    const first = [Buffer.from([0x60, 0, 0, 0]), u16(payload.length), Buffer.from([protocol, 255])];
    return Buffer.concat([...first, ...ends, payload]);
  }
  const first = [Buffer.from([0x45, 0]), u16(20 + payload.length, id, fragment)];
  const header = Buffer.concat([...first, Buffer.from([64, protocol, 0, 0]), ...ends]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** An IP packet whose payload has its checksum, over a pseudo header, at that byte. */
function summed(packet: Packet, sumAt: number): Buffer {
  const { source, destination, protocol } = packet;
  const payload = Buffer.from(packet.payload);
  const pseudo = [addressBytes(source), addressBytes(destination), u16(0, payload.length)];
  const over = Buffer.concat([...pseudo, u16(0, protocol), payload]);
  payload.writeUInt16BE(checksum(over), sumAt);
  return ipPacket({ ...packet, payload });
}

function tcp(port: number, flags: number, sourcePort: number): Buffer {
  return Buffer.concat([
    u16(sourcePort, port, 0, sourcePort, 0, flags === SYN ? 0 : 99),
    Buffer.from([0x50, flags]),
    u16(0xfaf0, 0, 0),
  ]);
}

const udp = (port: number, sourcePort: number, payload: Buffer) =>
  Buffer.concat([u16(sourcePort, port, 8 + payload.length, 0), payload]);

/** Makes frames from one address to the host; each TCP or UDP packet comes from another port. */
class Sender {
  #sourcePort = 40_000;
  readonly destination: string;

  constructor(
    private readonly ends: Ends,
    readonly source: string,
  ) {
    this.destination = source.includes(':') ? SERVER6 : SERVER4;
  }

  frame(packet: Buffer, to = this.ends.host, type = this.#type): string {
    const head = [hardware(to), hardware(this.ends.scanner), u16(type)];
    return Buffer.concat([...head, packet]).toString('hex');
  }

  tagged(packet: Buffer): string {
    return this.frame(Buffer.concat([u16(5, this.#type), packet]), this.ends.host, TYPES.vlan);
  }

  tcp(port: number, flags: number, destination = this.destination): Buffer {
    const payload = tcp(port, flags, this.#nextPort());
    return summed({ ...this, destination, protocol: TCP, payload }, 16);
  }

  udp(port: number, text = ''): Buffer {
    const payload = udp(port, this.#nextPort(), Buffer.from(text));
    return summed({ ...this, protocol: UDP, payload }, 6);
  }

  knock({ port, protocol }: Knock): Buffer {
    return protocol === 'tcp' ? this.tcp(port, SYN) : this.udp(port);
  }

  icmp(type: number, rest: Buffer): Buffer {
    const payload = Buffer.concat([Buffer.from([type, 0, 0, 0]), rest]);
    if (this.#isIp6) return summed({ ...this, protocol: ICMP6, payload }, 2);
    payload.writeUInt16BE(checksum(payload), 2);
    return ipPacket({ ...this, protocol: ICMP, payload });
  }

  echo(number: number): Buffer {
    return this.icmp(this.#isIp6 ? 128 : 8, Buffer.concat([u16(77, number), Buffer.from('echo')]));
  }

  unknownProtocol(): Buffer {
    return ipPacket({ ...this, protocol: UNKNOWN, payload: Buffer.from('unknown!') });
  }

  /** A SYN in two pieces; the second has the flags. */
  fragments(port: number): readonly [Buffer, Buffer] {
    const whole = this.tcp(port, SYN);
    const segment = whole.subarray(this.#isIp6 ? 40 : 20);
    const piece = (from: number, to: number, more: boolean) => {
      const payload = segment.subarray(from, to);
      if (!this.#isIp6) {
        const fragment = from / 8 + (more ? MORE_FRAGMENTS : 0);
        return ipPacket({ ...this, protocol: TCP, payload, fragment, id: port });
      }
      const header = Buffer.concat([Buffer.from([TCP, 0]), u16(from + (more ? 1 : 0), 0, port)]);
      return ipPacket({ ...this, protocol: FRAGMENT, payload: Buffer.concat([header, payload]) });
    };
    return [piece(0, 8, true), piece(8, segment.length, false)];
  }

  get #isIp6(): boolean {
    return this.source.includes(':');
  }

  get #type(): number {
    return this.#isIp6 ? TYPES.ip6 : TYPES.ip4;
  }

  #nextPort(): number {
    this.#sourcePort += 1;
    return this.#sourcePort;
  }
}

/** Who has an address? To the whole wire, and to hardware addresses that are not the host's. */
function arpFrames(ends: Ends): string[] {
  const sender = new Sender(ends, CLIENT4);
  const ask = (wanted: string, to: string) => {
    const from = [hardware(ends.scanner), addressBytes(CLIENT4)];
    const asked = [Buffer.alloc(6), addressBytes(wanted)];
    const head = [u16(1, TYPES.ip4), Buffer.from([6, 4]), u16(1)];
    return sender.frame(Buffer.concat([...head, ...from, ...asked]), to, TYPES.arp);
  };
  const asked = [BROADCAST, ends.host, ...WRONG].map((to) => ask(SERVER4, to));
  return [...asked, ask('192.0.2.77', BROADCAST)];
}

/** Neighbor solicitation (RFC 4861, 4.3) with the scanner's hardware address. */
function solicitations(ends: Ends): string[] {
  const sender = new Sender(ends, CLIENT6);
  const option = [Buffer.from([1, 1]), hardware(ends.scanner)];
  const packet = sender.icmp(
    135,
    Buffer.concat([Buffer.alloc(4), addressBytes(SERVER6), ...option]),
  );
  return [ends.host, '33:33:ff:00:00:01', ...WRONG].map((to) => sender.frame(packet, to));
}

/** What scanners send by IPv4 or IPv6, to these TCP and UDP ports. */
function ipFrames(ends: Ends, source: string, ports: readonly number[]): string[] {
  const sender = new Sender(ends, source);
  const elsewhere = source.includes(':') ? 'fd00:db8::77' : '192.0.2.77';
  const [port = 0] = ports;
  const [first, second] = sender.fragments(port);
  const [alone] = sender.fragments(port + 1);
  const wrongSum = sender.tcp(port, SYN);
  wrongSum.writeUInt16BE(1, wrongSum.length - 4);
  const packets = [
    ...ports.flatMap((each) => TCP_FLAGS.map((flags) => sender.tcp(each, flags))),
    ...ports.flatMap((each) => [sender.udp(each), sender.udp(each, 'anybody there?')]),
    ...[sender.echo(1), sender.unknownProtocol(), wrongSum, sender.tcp(port, SYN, elsewhere)],
    ...[first, second, second, alone, sender.tcp(port, SYN).subarray(0, 30)],
  ];
  const misdirected = [BROADCAST, ...WRONG].flatMap((to, index) => [
    sender.frame(sender.echo(10 + index), to),
    sender.frame(sender.tcp(port, SYN), to),
  ]);
  const tagged = sender.tagged(sender.tcp(port, SYN));
  return [...packets.map((packet) => sender.frame(packet)), ...misdirected, tagged];
}

/** Every probe there is. */
export function probes(ends: Ends, ports: readonly number[]): string[] {
  const byIp = [CLIENT4, CLIENT6].flatMap((source) => ipFrames(ends, source, ports));
  return [...arpFrames(ends), ...solicitations(ends), ...byIp];
}

/** A knock as frames, from any address. */
export function knockFrames(ends: Ends, source: string, knocks: readonly Knock[]): string[] {
  const sender = new Sender(ends, source);
  return knocks.map((knock) => sender.frame(sender.knock(knock)));
}

/** What the kernel chooses anew for each packet, as offset and length; checksums cover it. */
const CHOSEN = { ip4: [18, 2, 24, 2], ip6: [15, 3] } as const;

/** A reply without ids, checksums, initial sequence numbers and flow labels. */
export function normalised(frame: Buffer): string {
  const bytes = Buffer.from(frame);
  const type = bytes.readUInt16BE(12);
  if (type !== TYPES.ip4 && type !== TYPES.ip6) return bytes.toString('hex');
  const isIp6 = type === TYPES.ip6;
  const [at, length, sumAt = at, sumLength = length] = isIp6 ? CHOSEN.ip6 : CHOSEN.ip4;
  bytes.fill(0, at, at + length).fill(0, sumAt, sumAt + sumLength);
  const protocol = bytes[isIp6 ? 20 : 23];
  const payload = bytes.subarray(isIp6 ? 54 : 34);
  if (protocol === TCP) {
    payload.fill(0, 16, 18);
    if (((payload[13] ?? 0) & SYN) !== 0) payload.fill(0, 4, 8);
  } else if (protocol === ICMP || protocol === ICMP6) payload.fill(0, 2, 4);
  return bytes.toString('hex');
}
