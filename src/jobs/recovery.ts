/** Settles what a crash or a stop left behind, from the fold of the journal (DESIGN 5). */
import type { Door } from '../../config/types.js';
import type { GrantState } from '../../machines/grant.js';
import { reasonOf } from '../errors.js';
import type { Journal } from '../journal/types.js';
import type { Accepted } from './accepted.js';
import { Boots } from './boots.js';
import { type DispatchContext, dispatch } from './dispatch.js';
import { createGrantFold } from './fold.js';
import { cooldownKey } from './keys.js';
import { ABANDON_AFTER_MS } from './reconciler.js';
import { liveGrants } from './registry.js';
import { endSurvivors } from './survivors.js';
import { isSettled, takeOver } from './take-over.js';
import type { DoorCatalog, LiveGrant } from './types.js';

export interface RecoveryContext extends DispatchContext {
  readonly journal: Journal;
  readonly accepted: Accepted;
  readonly catalog: DoorCatalog;
  /** Restores what sinks remember of the grants that stay open, before any is closed (T15). */
  readonly restoreSinks: (live: readonly LiveGrant[]) => Promise<void>;
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
  const boots = new Boots();
  // All of it is ours, also what this host wrote under a name that it had before.
  for await (const event of context.journal.read()) {
    fold.apply(event);
    boots.apply(event);
    if (event.type === 'Completed' && event.grant !== undefined) {
      context.accepted.add(event.grant, event.atMs);
    }
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
  const unsettled = grants.filter(isUnsettled(doors, context)).map(idOf);
  const hosts = grants.map((state) => state.context.host);
  await endSurvivors(new Set(unsettled), new Set([context.host, ...hosts]));
  await takeOverAll(
    grants.filter(({ phase }) => phase !== 'completed'),
    doors,
    boots,
    context,
  );
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
    const commands = sinksFor(door, state.context.source).filter((sink) => !sink.kernelTimed);
    return !isSettled(state, commands);
  };
}

/** Sinks remember again what stays open; then what is due is closed, each on its own. */
async function takeOverAll(
  grants: readonly GrantState[],
  doors: Map<GrantState, Door | undefined>,
  boots: Boots,
  context: RecoveryContext,
): Promise<void> {
  const { registry, sinksFor, log } = context;
  const taken = grants.flatMap((state) => {
    const door = doors.get(state);
    if (door === undefined) {
      giveUp(state, context);
      return [];
    }
    const sinks = sinksFor(door, state.context.source);
    const { arbiter, isDue } = takeOver(state, door, sinks, context);
    // Elements of the kernel's are put back below; what a command did is gone.
    const isLost =
      boots.isOfEarlierBoot(idOf(state)) &&
      sinks.some(({ close, kernelTimed }) => close !== undefined && !kernelTimed);
    return [{ arbiter, isDue: isDue || isLost }];
  });
  for (const { arbiter } of taken) registry.add(arbiter);
  const staying = taken.filter(({ isDue }) => !isDue).map(({ arbiter }) => arbiter);
  try {
    await context.restoreSinks(liveGrants(staying));
  } catch (error) {
    log.error({ reason: reasonOf(error) }, 'open doors could not be restored after the start');
  }
  for (const { arbiter, isDue } of taken) {
    arbiter.settleUnknown('postern ended while it was opening');
    if (isDue) void arbiter.close('recovery');
    else arbiter.remind();
  }
}

/** A completion that nothing was done about: if it is fresh, as if it came now. */
async function resume(
  state: GrantState,
  door: Door | undefined,
  context: RecoveryContext,
): Promise<void> {
  const { id, completedAtMs, openForMs = Number.POSITIVE_INFINITY } = state.context;
  const ageMs = context.clock.wall() - completedAtMs;
  const isFresh = ageMs >= 0 && ageMs < Math.min(ABANDON_AFTER_MS, openForMs);
  if (door !== undefined && isFresh) {
    await dispatch(aged(state, ageMs), door, context);
    return;
  }
  const reason = door === undefined ? 'its door is gone' : 'it was too old after a restart';
  void context.ledger.note({ type: 'Abandoned', grant: id, reason });
}

/** Of a grant that came late, the time that remained has gone on running. */
function aged(state: GrantState, ageMs: number): GrantState {
  const { openForMs } = state.context;
  if (openForMs === undefined) return state;
  return { ...state, context: { ...state.context, openForMs: openForMs - ageMs } };
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
    void ledger.note({ type: 'CloseFailed', grant, sink, attempt: 1, final: true, reason });
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
