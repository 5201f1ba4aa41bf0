/** From a completion to a grant: a new one, more time for a live one, or nothing (G2, G3, G9). */
import { randomInt } from 'node:crypto';
import type { Door } from '../../config/types.js';
import type { GrantState } from '../../machines/grant.js';
import type { Sink } from '../../sinks/types.js';
import { reasonOf } from '../errors.js';
import type { EventOf, JournalEvent } from '../journal/events.js';
import type { SentEvent } from '../journal/types.js';
import { Arbiter } from './arbiter.js';
import type { ArbiterContext } from './arbiter-types.js';
import type { Cooldowns } from './cooldowns.js';
import { grantOf } from './fold.js';
import { exclusionKey } from './keys.js';
import type { Registry } from './registry.js';
import type { Completion, DispatchResult } from './types.js';
import { maySkipJournal } from './unjournalled.js';

export interface DispatchContext extends ArbiterContext {
  readonly registry: Registry;
  readonly cooldowns: Cooldowns;
  /** This host's name. */
  readonly host: string;
  readonly sinksFor: (door: Door, source: string) => readonly Sink[];
  /** Opens as soon as the journal has it. */
  readonly openNow: (arbiter: Arbiter) => void;
  /** Puts the open job into the queue, for what had to wait. */
  readonly scheduleOpen: (arbiter: Arbiter) => void;
}

/**
 * Makes the completion durable, then decides. Rejects with POSTERN_E_JOURNAL when it could not be
 * made durable; nothing runs then, unless the door may open without the journal (T14).
 */
export async function complete(
  completion: Completion,
  context: DispatchContext,
): Promise<DispatchResult> {
  const { door, source, configuration, claim } = completion;
  const body: EventOf<'Completed'> = {
    type: 'Completed',
    door: door.name,
    source,
    configuration,
    ...(claim !== undefined && { claim }),
  };
  const { ledger } = context;
  if (claim === undefined) {
    const sent = ledger.send(body);
    if (sent !== undefined) return dispatchSent(sent, stateOf(sent.event, body), door, context);
  }
  let event: JournalEvent | undefined;
  try {
    event = claim === undefined ? await ledger.must(body) : await ledger.claim(claim, body);
  } catch (error) {
    return dispatchLost(stateOf(unwritten(body, context), body), door, error, context);
  }
  if (event === undefined) return { kind: 'spent' };
  return dispatch(stateOf(event, body), door, context);
}

/**
 * A new grant does not wait for its Completed event to be durable: Opening and job follow at once,
 * and the arbiter opens nothing before. All else waits.
 */
async function dispatchSent(
  { durable }: SentEvent,
  state: GrantState,
  door: Door,
  context: DispatchContext,
): Promise<DispatchResult> {
  const key = exclusionKey(door, state.context.source);
  const isFirst = key === undefined || context.registry.liveOf(key) === undefined;
  const begun = isFirst ? begin(state, door, context, { completed: durable }) : undefined;
  try {
    await durable;
  } catch (error) {
    if (begun === undefined) return dispatchLost(state, door, error, context);
    return opensAnyway(begun, error, context);
  }
  return begun ?? dispatch(state, door, context);
}

/** A grant that was begun, but whose Completed could not be made durable. */
async function opensAnyway(
  begun: DispatchResult,
  error: unknown,
  { registry }: DispatchContext,
): Promise<DispatchResult> {
  const arbiter = begun.kind === 'opening' ? registry.find(begun.grant) : undefined;
  if (arbiter?.maySkipJournal && (await arbiter.open()) === 'started') {
    return { kind: 'opening', grant: arbiter.id, unjournalled: true };
  }
  arbiter?.abandon('its completion could not be made durable');
  throw error;
}

/** The journal is out of reach: opens what may be opened without (T14), and refuses all else. */
async function dispatchLost(
  state: GrantState,
  door: Door,
  error: unknown,
  context: DispatchContext,
): Promise<DispatchResult> {
  if (!maySkipJournal(door, context.sinksFor(door, state.context.source))) throw error;
  return dispatch(state, door, context, reasonOf(error));
}

/**
 * Stands for an event that could not be written, to tell its grant by. Its id is none that the
 * journal would give: those of one millisecond are counted from zero.
 */
function unwritten(body: EventOf<'Completed'>, { clock, host }: DispatchContext): JournalEvent {
  const atMs = Math.floor(clock.wall());
  return { ...body, id: `${atMs}-${randomInt(2 ** 47, 2 ** 48 - 1)}`, host, atMs };
}

function stateOf({ id, host, atMs }: JournalEvent, body: EventOf<'Completed'>): GrantState {
  return grantOf({ ...body, id, host, atMs });
}

/** Decides what a completion gives. `lost`: why the journal does not know of it (T14). */
export async function dispatch(
  state: GrantState,
  door: Door,
  context: DispatchContext,
  lost?: string,
): Promise<DispatchResult> {
  const { id, source, from, knockedAtMs, openForMs = door.cmdTimeoutMs } = state.context;
  const key = exclusionKey(door, source);
  const mustBeDurable = from !== undefined;
  const extension = { source, knockedAtMs, openForMs, mustBeDurable, lost };
  // Also of one that is lost: its Completed may have been written after all.
  const drop = (reason: string): void => {
    void context.ledger.note({ type: 'Abandoned', grant: id, reason });
  };
  for (;;) {
    const live = key === undefined ? undefined : context.registry.liveOf(key);
    if (live === undefined) return begin(state, door, context, { lost });
    if (live.phase === 'closing') return begin(state, door, context, { before: live, lost });
    if (door.reknock === 'ignore') {
      drop(`${live.id} is live, and reknock = ignore`);
      return { kind: 'ignored', reason: 'reknock' };
    }
    try {
      // False: it began to close while we asked, so look again.
      if (!(await live.extend(extension))) continue;
    } catch (error) {
      drop(`${live.id} could not be extended: ${reasonOf(error)}`);
      throw error;
    }
    drop(`it extended ${live.id}`);
    return { kind: 'extended', grant: live.id };
  }
}

interface Beginning {
  /** It is still closing, and its stop would close this one too: this one waits for it. */
  readonly before?: Arbiter;
  /** Resolves once the Completed event is durable. */
  readonly completed?: Promise<void>;
  /** Why there is no Completed event; only where the door may do without. */
  readonly lost?: string | undefined;
}

function begin(
  state: GrantState,
  door: Door,
  context: DispatchContext,
  { before, lost, completed = completedOf(lost) }: Beginning,
): DispatchResult {
  const { clock, cooldowns, ledger, registry } = context;
  const { id, source } = state.context;
  if (!cooldowns.isCool(door, source, clock.now())) {
    void ledger.note({ type: 'Abandoned', grant: id, reason: 'cooldown' });
    return { kind: 'ignored', reason: 'cooldown' };
  }
  cooldowns.begin(door, source, clock.now());
  const sinks = context.sinksFor(door, source);
  const key = exclusionKey(door, source);
  const held = before !== undefined;
  const arbiter = new Arbiter({ state, door, sinks, key, held, completed }, context);
  registry.add(arbiter);
  if (sinks.length === 0) arbiter.openWithoutSinks();
  else if (before !== undefined) {
    void before.finished.then(() => {
      arbiter.release();
      context.scheduleOpen(arbiter);
    });
  } else if (lost !== undefined) arbiter.openUnjournalled(lost);
  else {
    arbiter.prepare();
    context.openNow(arbiter);
  }
  return { kind: 'opening', grant: id, ...(lost !== undefined && { unjournalled: true as const }) };
}

async function completedOf(lost: string | undefined): Promise<void> {
  if (lost !== undefined) throw new Error(lost);
}
