/** Many sources on the wire of a test network: their addresses, their knocks, and no answers to them. */
import { fileURLToPath } from 'node:url';
import type { Network } from '../../test/support/netns.js';
import type { KnockSenderInput, TimedFrame } from '../knock-sender.js';
import { hit, wireOf } from './frames.js';

const KNOCK_SENDER = fileURLToPath(new URL('../knock-sender.js', import.meta.url));
const SENDER_STARTS_MS = 20_000;

/** One source's whole sequence. */
export interface SpoofedKnock {
  readonly source: string;
  readonly ports: readonly number[];
  /** Of the first hit, after the start of the sender, milliseconds. */
  readonly atMs: number;
}

/** The n-th source, of 16 million; floods that run beside take the low ones, so begin high. */
export function spoofedSource(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
}

/** As on a host whose firewall drops what it does not know; sensors see packets before that. */
export async function answerNothing(network: Network): Promise<void> {
  const ruleset = [
    'add table inet bench',
    'add chain inet bench prerouting { type filter hook prerouting priority raw; }',
    'add rule inet bench prerouting ip saddr 10.0.0.0/8 drop',
  ].join('\n');
  await network.must('server', ['nft', '-f', '-'], { input: ruleset });
}

/** Gives the wall clock (ms) just before each source's last hit was sent. */
export async function sendKnocks(
  network: Network,
  knocks: readonly SpoofedKnock[],
  betweenHitsMs = 0,
): Promise<Map<string, number>> {
  const wire = await wireOf(network);
  const frames = knocks.flatMap(({ source, ports, atMs }) =>
    ports.map(
      (port, index): TimedFrame => ({
        afterMs: atMs + index * betweenHitsMs,
        hex: hit(wire, source, port),
        ...(index === ports.length - 1 && { name: source }),
      }),
    ),
  );
  frames.sort((a, b) => a.afterMs - b.afterMs);
  const input: KnockSenderInput = { device: network.interfaces.client, frames };
  const timeoutMs = (frames.at(-1)?.afterMs ?? 0) + SENDER_STARTS_MS;
  const argv = [process.execPath, KNOCK_SENDER];
  const said = await network.must('client', argv, { input: JSON.stringify(input), timeoutMs });
  return new Map(said.split('\n').filter(Boolean).map(nameAndTime));
}

function nameAndTime(line: string): [string, number] {
  const [name = '', atMs = ''] = line.split(' ');
  return [name, Number(atMs)];
}
