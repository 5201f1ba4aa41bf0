/** The packets whose cost is measured: what they are, where they come from, and how they are sent. */
import { fileURLToPath } from 'node:url';
import type { Network } from '../../test/support/netns.js';
import type { PacketSenderInput, PacketSenderOutput } from '../packet-sender.js';
import { hit, type Wire } from './frames.js';

/**
 * - `miss`: the kernel's filter drops it (a datagram, while no door knocks by UDP)
 * - `stray`: a port in no sequence, from a new source
 * - `first`: the first knock of a new source
 * - `live`: a knock of a source with an attempt under way
 */
export type PacketKind = 'miss' | 'stray' | 'first' | 'live';

export interface Burst {
  readonly kind: PacketKind;
  readonly packets: number;
  readonly perSecond: number;
  readonly firstSource: number;
  /** As many as packets unless it says otherwise. */
  readonly sources?: number;
  readonly step?: number;
}

const SENDER = fileURLToPath(new URL('../packet-sender.js', import.meta.url));
const PORTS = [18273, 9146, 31544, 27010, 5871, 44120, 12893, 36207];
const STRAY = 23_456;
/** 10.0.0.1 and on; nothing leaves the namespaces. */
export const NEW_SOURCES = 0x0a_00_00_01;
/** 10.240.0.1 and on: sources of live attempts, apart from all others. */
export const LIVE_SOURCES = 0x0a_f0_00_01;

/**
 * From the second knock to the last but one; then the first, which spoils the attempt and begins the
 * next, and once more, so that a source that was not known has a live attempt after one cycle.
 */
const LIVE_CYCLE = [...PORTS.slice(1, -1), ...PORTS.slice(0, 1), ...PORTS.slice(0, 1)];
export const LIVE_CYCLE_LENGTH = LIVE_CYCLE.length;
/** With how many packets of a cycle an attempt goes on, before it is spoiled. */
export const LIVE_STAGES = PORTS.length - 2;

/** One door that nobody opens. */
export function doorWithin(seqTimeoutSeconds: number): string {
  const conditions = `seq_timeout = ${seqTimeoutSeconds}\ntcpflags = syn`;
  return `[bench]\nsequence = ${PORTS.join(',')}\n${conditions}\ncommand = true\n`;
}

/** A host drops what it does not serve before TCP answers it: no packet costs a reset. */
export async function dropAfterCapture(network: Network): Promise<void> {
  const chain = 'type filter hook prerouting priority raw; ip saddr 10.0.0.0/8 drop;';
  const rules = `table ip bench {\n chain flood {\n${chain}\n}\n}\n`;
  await network.must('server', ['nft', '-f', '-'], { input: rules });
}

export async function sendBurst(
  network: Network,
  wire: Wire,
  burst: Burst,
): Promise<PacketSenderOutput> {
  const { kind, packets, perSecond, firstSource, sources = packets, step = 1 } = burst;
  const input: PacketSenderInput = {
    device: network.interfaces.client,
    frames: framesOf(kind, wire),
    ...{ perSecond, packets, firstSource, sources, step },
  };
  const argv = [process.execPath, SENDER, JSON.stringify(input)];
  const timeoutMs = (packets / perSecond) * 1000 * 2 + 20_000;
  return JSON.parse(await network.must('client', argv, { timeoutMs }));
}

function framesOf(kind: PacketKind, wire: Wire): string[] {
  const frame = (port: number) => hit(wire, '0.0.0.0', port);
  if (kind === 'miss') return [hit(wire, '0.0.0.0', STRAY, 'udp')];
  if (kind === 'stray') return [frame(STRAY)];
  return kind === 'first' ? PORTS.slice(0, 1).map(frame) : LIVE_CYCLE.map(frame);
}
