/** What is said over the control socket. */
import { z } from 'zod';
import type { SensorStatus } from '../capture/types.js';
import type { ClusterStatus } from '../cluster/status.js';
import type { DeliveryStatus } from '../deliveries/types.js';
import type { GrantStatus } from '../jobs/types.js';
import type { JournalEvent } from '../journal/events.js';
import type { KnockCounts } from '../knocks/types.js';

export const request = z.discriminatedUnion('command', [
  z.object({ command: z.literal('status') }),
  z.object({ command: z.literal('events'), follow: z.boolean() }),
  z.object({ command: z.literal('reload') }),
  z.object({
    command: z.literal('close'),
    door: z.string(),
    source: z.string(),
    /** That host alone; absent: every host. */
    host: z.string().optional(),
  }),
  z.object({ command: z.literal('forget'), host: z.string() }),
]);
export type Request = z.infer<typeof request>;
export type CloseRequest = Extract<Request, { readonly command: 'close' }>;

export interface DoorStatus {
  readonly door: string;
  readonly knocks: number;
  /** For a one-time door: sequences left; 0 leaves it shut. */
  readonly sequencesLeft?: number;
}

export interface Status {
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly configuration: string;
  readonly doors: readonly DoorStatus[];
  readonly grants: readonly GrantStatus[];
  readonly sensors: readonly SensorStatus[];
  readonly knocks: KnockCounts;
  /** What the firewall does to doors with `allow` that their owner did not mean. */
  readonly firewall: readonly string[];
  /** What is wrong with sinks of the configuration: they tell nobody until it is mended. */
  readonly sinks: readonly string[];
  /** What sinks that tell others have still to tell. */
  readonly deliveries: readonly DeliveryStatus[];
  readonly redis: 'ready' | 'away';
  /** Events of the journal that did not verify. */
  readonly rejectedEvents: number;
  /** Absent: this host is in no cluster. */
  readonly cluster?: ClusterStatus;
}

/** What became of `postern close`. */
export interface CloseReply {
  /** Grants that were closed on the host that was asked. */
  readonly closed: number;
  /** Whether the other hosts were told; absent: nobody was to be. */
  readonly cluster?: 'told' | 'out of reach';
  /** Something was open, it is closed wherever it was, and whoever was to be told was. */
  readonly isDone: boolean;
  /** What was closed where, and what was not; a line each. */
  readonly messages: readonly string[];
}

export interface ForgetReply {
  /** The host that is forgotten. */
  readonly forgotten: string;
}

/** A reply is one line, or for `events` one a line, then the end. */
export type Reply =
  | { readonly status: Status }
  | { readonly event: JournalEvent }
  | { readonly reloaded: boolean; readonly messages: readonly string[] }
  | CloseReply
  | ForgetReply
  | { readonly error: string };

/** What the daemon does for those who ask over the socket. */
export interface ControlHandlers {
  status(): Status;
  events(follow: boolean, signal: AbortSignal): AsyncIterable<JournalEvent>;
  reload(): Promise<{ readonly reloaded: boolean; readonly messages: readonly string[] }>;
  close(request: CloseRequest): Promise<CloseReply>;
  forget(host: string): Promise<ForgetReply>;
}
