import type { Observable } from 'rxjs';
import type { FlagRule, PortRange } from '../../config/types.js';
import type { Knock, Packet, Protocol } from '../../machines/types.js';

/** What the filter must let through for one door. */
export interface CaptureDoor {
  readonly knocks: readonly Knock[];
  readonly tcpFlags: FlagRule;
  readonly target?: string;
}

/** What is to be captured; changes with a reload and when a one-time sequence is used up. */
export interface CapturePlan {
  readonly doors: readonly CaptureDoor[];
  /** `false` when `stray_limit = off`: knock ports only (M7). */
  readonly strays: boolean;
  /** `ignore_ports`: never strays (M7). */
  readonly ignorePorts?: readonly PortRange[];
}

/** What a packet's meaning depends on besides the packet: this host's addresses and listeners. */
export interface HostView {
  /** Whether the address (canonical text) is one of the interface's own (M1). */
  isLocal(address: string, interfaceIndex: number): boolean;
  /** Whether something on this host listens on the port (M7). */
  isListening(protocol: Protocol, port: number): boolean;
}

export interface SensorStatus {
  readonly interface: string;
  /** `listening` captures; `waiting` has no interface or no link; `starting` is between. */
  readonly state: 'starting' | 'listening' | 'waiting' | 'stopped';
  readonly pid?: number;
  readonly reason?: string;
  readonly restarts: number;
  /** Frames the kernel's filter let through, and of these what the parser dropped. */
  readonly frames: number;
  readonly malformed: number;
  readonly records: number;
  /** Of the records, those that the core was too busy to take. */
  readonly dropped: number;
}

export interface CaptureOptions {
  /** `any` stands for every interface and every local address. */
  readonly interfaces: readonly string[];
  readonly plan: CapturePlan;
  readonly bufferBytes: number;
  /** The user to run sensors as when the core is root. */
  readonly user: string;
}

/** The supervised sensors of one host. */
export interface Capture {
  readonly packets$: Observable<Packet>;
  readonly host: HostView;
  readonly status$: Observable<readonly SensorStatus[]>;
  status(): readonly SensorStatus[];
  /** Resolves when every sensor has been told; captures change without a gap. */
  setPlan(plan: CapturePlan): Promise<void>;
  stop(): Promise<void>;
}
