/** A machine as a pure function, for machines that take tens of thousands of events a second. */
import {
  type AnyActorLogic,
  type AnyActorScope,
  createActor,
  type EventFromLogic,
  type ExecutableActionObject,
  type SnapshotFrom,
} from 'xstate';

export type Step<M extends AnyActorLogic> = (
  snapshot: SnapshotFrom<M>,
  event: EventFromLogic<M>,
) => readonly [SnapshotFrom<M>, readonly ExecutableActionObject[]];

/**
 * What XState's `transition(machine, …)` does, with one inert actor for all calls: `transition`
 * makes an actor and a system for each, which is two thirds of its time (23 against 9 µs for two
 * transitions of the knocker). For machines without children; nothing runs but guards and assigns.
 */
export function stepOf<M extends AnyActorLogic>(machine: M): Step<M> {
  const self = createActor<AnyActorLogic>(machine);
  let effects: ExecutableActionObject[] = [];
  const nothing = () => {};
  const scope: AnyActorScope = {
    ...{ self, system: self.system, id: '', sessionId: '' },
    ...{ logger: nothing, defer: nothing, emit: nothing, stopChild: nothing },
    actionExecutor: (action: ExecutableActionObject) => {
      effects.push(action);
    },
  };
  return (snapshot, event) => {
    effects = [];
    const next: SnapshotFrom<M> = machine.transition(snapshot, event, scope);
    return [next, effects];
  };
}
