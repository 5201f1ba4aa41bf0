/** From a completion to a grant: a new one, more time for a live one, or nothing (G2, G3, G9). */
import type { Door } from '../../config/types.js';
import { type GrantState, newGrant } from '../../machines/grant.js';
import type { Sink } from '../../sinks/types.js';
import { reasonOf } from '../errors.js';
import { type EventOf, grantId, type JournalEvent } from '../journal/events.js';
import type { SentEvent } from '../journal/types.js';
import { Arbiter, type ArbiterContext } from './arbiter.js';
import type { Cooldowns } from './cooldowns.js';
import { exclusionKey } from './keys.js';
import type { Registry } from './registry.js';
import type { Completion, DispatchResult } from './types.js';

export interface DispatchContext extends ArbiterContext {
  readonly registry: Registry;
  readonly cooldowns: Cooldowns;
  readonly sinksFor: (door: Door, source: string) => readonly Sink[];
  /** Puts the open job into the queue. */
  readonly scheduleOpen: (arbiter: Arbiter) => void;
}

/**
 * Makes the completion durable, then decides. Rejects with POSTERN_E_JOURNAL when it could not be
 * made durable; nothing runs then.
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
  const event = claim === undefined ? await ledger.must(body) : await ledger.claim(claim, body);
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
  if (key !== undefined && context.registry.live(key) !== undefined) {
    await durable;
    return dispatch(state, door, context);
  }
  const result = begin(state, door, context, { completed: durable });
  await durable;
  return result;
}

function stateOf(event: JournalEvent, { door, source, configuration }: EventOf<'Completed'>) {
  const { host, atMs } = event;
  return newGrant({
    id: grantId(event),
    host,
    door,
    source,
    configuration,
    completedAtMs: atMs,
  });
}

/** Decides what a durable completion gives. */
export async function dispatch(
  state: GrantState,
  door: Door,
  context: DispatchContext,
): Promise<DispatchResult> {
  const { id, source } = state.context;
  const key = exclusionKey(door, source);
  const drop = (reason: string) => context.ledger.note({ type: 'Abandoned', grant: id, reason });
  for (;;) {
    const live = key === undefined ? undefined : context.registry.live(key);
    if (live === undefined) return begin(state, door, context);
    if (live.phase === 'closing') return begin(state, door, context, { before: live });
    if (door.reknock === 'ignore') {
      drop(`${live.id} is live, and reknock = ignore`);
      return { kind: 'ignored', reason: 'reknock' };
    }
    try {
      // False: it began to close while we asked, so look again.
      if (!(await live.extend(source))) continue;
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
}

function begin(
  state: GrantState,
  door: Door,
  context: DispatchContext,
  { before, completed = Promise.resolve() }: Beginning = {},
): DispatchResult {
  const { clock, cooldowns, ledger, registry } = context;
  const { id, source } = state.context;
  if (!cooldowns.isCool(door, source, clock.now())) {
    ledger.note({ type: 'Abandoned', grant: id, reason: 'cooldown' });
    return { kind: 'ignored', reason: 'cooldown' };
  }
  cooldowns.begin(door, source, clock.now());
  const sinks = context.sinksFor(door, source);
  const key = exclusionKey(door, source);
  const held = before !== undefined;
  const arbiter = new Arbiter({ state, door, sinks, key, held, completed }, context);
  registry.add(arbiter);
  if (sinks.length === 0) arbiter.openWithoutSinks();
  else if (before === undefined) {
    arbiter.prepare();
    context.scheduleOpen(arbiter);
  } else {
    void before.finished.then(() => {
      arbiter.release();
      context.scheduleOpen(arbiter);
    });
  }
  return { kind: 'opening', grant: id };
}
