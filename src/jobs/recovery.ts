/** Settles what a crash or a stop left behind, from the fold of the journal (DESIGN 5). */
import type { Door } from '../../config/types.js';
import { deadlineOf, type GrantState } from '../../machines/grant.js';
import type { Journal } from '../journal/types.js';
import { Arbiter } from './arbiter.js';
import { type DispatchContext, dispatch } from './dispatch.js';
import { createGrantFold } from './fold.js';
import { cooldownKey, exclusionKey } from './keys.js';
import { ABANDON_AFTER_MS } from './reconciler.js';
import { endSurvivors } from './survivors.js';
import type { DoorCatalog } from './types.js';

export interface RecoveryContext extends DispatchContext {
  readonly journal: Journal;
  readonly host: string;
  readonly catalog: DoorCatalog;
}

/** What an earlier run opened, by door and source, to keep cooldowns across a restart (G3). */
type Openings = Map<string, { door: string; source: string; configuration: string; atMs: number }>;

/**
 * Folds the journal and takes over every grant of this host that is not closed. Resolves when each
 * is in hand: overdue ones are being closed then, future ones have their job.
 */
export async function recover(given: RecoveryContext): Promise<void> {
  const context = { ...given, catalog: remembering(given.catalog) };
  const fold = createGrantFold();
  const openings: Openings = new Map();
  for await (const event of context.journal.read()) {
    if (event.host !== context.host) continue;
    fold.apply(event);
    if (event.type === 'Opening') {
      openings.set(cooldownKey(event.door, event.source), event);
    }
  }
  const grants = [...fold.live.values()];
  const doors = new Map<GrantState, Door | undefined>();
  for (const state of grants) {
    const { door, configuration } = state.context;
    doors.set(state, await context.catalog.find(door, configuration));
  }
  await restoreCooldowns(openings, context);
  // A start command that is still running must not open what is being closed.
  await endSurvivors(new Set(grants.filter(isUnsettled(doors, context)).map(idOf)));
  for (const state of grants) {
    if (state.phase !== 'completed') takeOver(state, doors.get(state), context);
  }
  // Only now: one of them may extend a grant that was taken over.
  for (const state of grants) {
    if (state.phase === 'completed') await resume(state, doors.get(state), context);
  }
}

/** A journal names few doors many times, and a kept configuration is a file. */
function remembering(catalog: DoorCatalog): DoorCatalog {
  const found = new Map<string, Promise<Door | undefined>>();
  return {
    find(door, configuration) {
      const key = JSON.stringify([door, configuration]);
      const known = found.get(key) ?? catalog.find(door, configuration);
      found.set(key, known);
      return known;
    },
  };
}

const idOf = ({ context }: GrantState) => context.id;

/** Whether a start command may still run that will be closed: one without a stop is let be. */
function isUnsettled(doors: Map<GrantState, Door | undefined>, { sinksFor }: RecoveryContext) {
  return (state: GrantState): boolean => {
    if (state.phase === 'completed') return false;
    const door = doors.get(state);
    if (door === undefined) return state.phase === 'opening';
    const { source, sinks } = state.context;
    return sinksFor(door, source).some(({ name, close }) => close && !(name in sinks));
  };
}

/** A completion that nothing was done about: if it is fresh, as if it came now. */
async function resume(
  state: GrantState,
  door: Door | undefined,
  context: RecoveryContext,
): Promise<void> {
  const { id, completedAtMs } = state.context;
  const ageMs = context.clock.wall() - completedAtMs;
  const isFresh = ageMs >= 0 && ageMs < ABANDON_AFTER_MS;
  if (door !== undefined && isFresh) {
    await dispatch(state, door, context);
    return;
  }
  const reason = door === undefined ? 'its door is gone' : 'it was too old after a restart';
  context.ledger.note({ type: 'Abandoned', grant: id, reason });
}

function takeOver(state: GrantState, door: Door | undefined, context: RecoveryContext): void {
  const { clock, registry, sinksFor } = context;
  if (door === undefined) {
    giveUp(state, context);
    return;
  }
  const until = deadlineOf(state);
  const arbiter = new Arbiter(
    {
      state,
      door,
      sinks: sinksFor(door, state.context.source),
      key: exclusionKey(door, state.context.source),
      ...(until !== null && { deadlineMs: clock.now() + leftMs(until, door, context) }),
    },
    context,
  );
  registry.add(arbiter);
  const wasKnown = state.phase === 'open';
  arbiter.settleUnknown('postern ended while it was opening');
  const isComplete = Object.keys(arbiter.state.context.sinks).every(
    (name) => name in state.context.sinks,
  );
  if (wasKnown && isComplete && (arbiter.deadlineMs ?? 0) > clock.now()) arbiter.remind();
  else void arbiter.close('recovery');
}

/**
 * The time left by the wall clock, the only one that outlives a process; never more than a grant
 * can have, should that clock have gone back.
 */
function leftMs(until: number, door: Door, { clock }: RecoveryContext): number {
  return Math.min(until - clock.wall(), door.cmdTimeoutMs);
}

/** Nobody knows the stop command any more: somebody has to be told, at every start. */
function giveUp(state: GrantState, { ledger, log }: RecoveryContext): void {
  const { id: grant, door, source } = state.context;
  const reason = 'no configuration that is kept has this door any more';
  log.error({ grant, door, source, reason }, 'THE DOOR MAY STILL BE OPEN: it cannot be closed');
  if (state.phase === 'failed') return;
  const sinks = Object.entries(state.context.sinks)
    .filter(([, sink]) => sink.phase === 'open')
    .map(([name]) => name);
  if (state.phase !== 'closing') ledger.note({ type: 'Closing', grant, cause: 'recovery' });
  for (const sink of sinks.length > 0 ? sinks : ['exec']) {
    ledger.note({ type: 'CloseFailed', grant, sink, attempt: 1, final: true, reason });
  }
}

async function restoreCooldowns(openings: Openings, context: RecoveryContext): Promise<void> {
  const { catalog, clock, cooldowns } = context;
  for (const { door: name, source, configuration, atMs } of openings.values()) {
    const door = await catalog.find(name, configuration);
    const ageMs = clock.wall() - atMs;
    if (door !== undefined && ageMs >= 0 && ageMs < door.cooldownMs) {
      cooldowns.begin(door, source, clock.now() - ageMs);
    }
  }
}
