/** What an arbiter is given, and what it answers. */
import type { Door } from '../../config/types.js';
import type { GrantState } from '../../machines/grant.js';
import type { Sink } from '../../sinks/types.js';
import type { EventOf } from '../journal/events.js';
import type { ActContext } from './acts.js';
import type { Arbiter } from './arbiter.js';
import type { Ledger } from './ledger.js';
import type { ObserveGrant } from './record.js';
import type { SinkDeadlines } from './sink-deadlines.js';

export type CloseCause = EventOf<'Closing'>['cause'];

export type CloseResult =
  | { readonly kind: 'closed' | 'failed' | 'gone' }
  /** Nothing is due: so many milliseconds are left. */
  | { readonly kind: 'early'; readonly leftMs: number }
  /** Something is still to be closed, or to be tried again (G5), in so many milliseconds. */
  | { readonly kind: 'again'; readonly leftMs: number };

/** `stale`: it is not waiting to be opened. `refused`: it could not be journalled. */
export type OpenResult = 'started' | 'stale' | 'refused';

/** A knock while a grant is live (G2). */
export interface Extension {
  /** Who knocked. */
  readonly source: string;
  /** When, by the wall clock of the host that was knocked: ms since the epoch. */
  readonly knockedAtMs: number;
  /** How long it is to be open from now on, milliseconds. */
  readonly openForMs: number;
  /** Never unjournalled, whatever the door: the cluster decided about it (T14). */
  readonly mustBeDurable?: boolean;
  /** Why the journal is out of reach, if that is known already. */
  readonly lost?: string | undefined;
}

export interface ArbiterContext extends ActContext {
  readonly ledger: Ledger;
  /** Milliseconds to wait after the n-th failed attempt to close. */
  readonly closeBackoffMs: (attempt: number) => number;
  /** Asks for a close job at the arbiter's deadline. */
  readonly scheduleClose: (arbiter: Arbiter) => void;
  /** Told of each event of each grant as it happens; absent: nobody wants to know. */
  readonly observe?: ObserveGrant;
}

export interface ArbiterGrant {
  readonly state: GrantState;
  readonly door: Door;
  readonly sinks: readonly Sink[];
  /** Grants of one key are never live at once (DESIGN 6, G9). Undefined: it stands alone. */
  readonly key: string | undefined;
  /** Known for a grant taken over from the journal. */
  readonly deadlines?: SinkDeadlines;
  /** It waits for another grant to close, until `release`. */
  readonly held?: boolean;
  /** Resolves once its Completed event is durable; nothing is opened before. */
  readonly completed?: Promise<void>;
}
