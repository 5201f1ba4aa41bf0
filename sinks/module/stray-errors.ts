/**
 * Errors that a user's module throws when nobody waits for it: in a timer of its own, in a promise it
 * forgot, as an `error` event it does not listen to. Node would end postern for one; but postern must
 * live to close its doors, so it is logged and nothing else. What is thrown anywhere else ends
 * postern as ever.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log } from '../../src/log/types.js';
import { moduleReason } from './reason.js';

export interface Owner {
  readonly name: string;
  /** The module's file, as the stack of an error shows it. */
  readonly href: string;
  readonly log: Log;
}

const current = new AsyncLocalStorage<Owner>();
/** By file; a module once loaded stays in memory, and so it may throw for ever. */
const owners = new Map<string, Owner>();

/** Runs what is a module's, so that all that comes of it is known as the module's. */
export function runAs<T>(owner: Owner, act: () => T): T {
  if (owners.size === 0) process.on('uncaughtException', logOrEnd);
  owners.set(owner.href, owner);
  return current.run(owner, act);
}

/** Node raises rejections that nobody handles as such exceptions too. */
function logOrEnd(thrown: unknown): void {
  const owner = current.getStore() ?? ownerInStack(thrown);
  // Thrown by this handler, it ends the process at once, as without the handler.
  if (owner === undefined) throw thrown;
  owner.log.error(
    { sink: owner.name, reason: moduleReason(thrown) },
    'the module failed where nobody waits for it; it should catch its own errors',
  );
}

/** For what is thrown in a microtask that the module queued itself: Node gives it no context. */
function ownerInStack(thrown: unknown): Owner | undefined {
  const stack = thrown instanceof Error ? String(thrown.stack) : '';
  return [...owners.values()].find(({ href }) => stack.includes(href));
}
