/**
 * What the models of the matching rules take in: plain values, so that the judge shares nothing
 * with the judged but the words.
 */
import type { FlagRule, PortRange } from '../../config/types.js';
import type { Knock, Packet } from '../../machines/types.js';
import type { HostView } from '../../src/capture/types.js';

/** A door as far as matching is concerned. */
export interface ModelDoor {
  readonly name: string;
  readonly knocks: readonly Knock[];
  readonly seqTimeoutMs: number;
  readonly tcpFlags: FlagRule;
  /** Absent: any address of the interface (M1). */
  readonly target?: string;
}

/** The limits of M7 and M12. */
export interface ModelRules {
  readonly strayLimit: number | 'off';
  readonly scanLimit: number;
  readonly ignorePorts: readonly PortRange[];
  /** M12; absent or 0: no limit. */
  readonly maxAttemptsPerMinute?: number;
}

/** Takes one packet and says which doors it opened for its source, in the doors' order. */
export interface Model {
  packet(packet: Packet): { readonly opened: readonly string[] };
}

/** M1 but for the protocol, which is part of the type: the destination is the door's. */
export function isAddressed(door: ModelDoor, packet: Packet, host: HostView): boolean {
  if (door.target !== undefined) return packet.destination === door.target;
  return host.isLocal(packet.destination, packet.interfaceIndex);
}

/** M2: only TCP has flags; every required one is set and no excluded one. */
export function satisfiesFlags(door: ModelDoor, packet: Packet): boolean {
  if (packet.protocol !== 'tcp') return true;
  const { required, excluded } = door.tcpFlags;
  return (packet.flags & required) === required && (packet.flags & excluded) === 0;
}

/** A knock is a port and a protocol, nothing else. */
export function isKnock(knock: Knock | undefined, packet: Packet): boolean {
  return knock !== undefined && knock.port === packet.port && knock.protocol === packet.protocol;
}

/** A host with these addresses that listens on these TCP and UDP ports. */
export function modelHost(
  addresses: readonly string[],
  listening: readonly Knock[] = [],
): HostView {
  return {
    isLocal: (address) => addresses.includes(address),
    isListening: (protocol, port) =>
      listening.some((one) => one.protocol === protocol && one.port === port),
  };
}
