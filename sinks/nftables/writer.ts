import type { Clock } from '../../src/clock.js';
import { type Element, keyOf } from './element.js';
import type { Difference } from './holds.js';
import { NftRefusal } from './refusal.js';
import { type Change, Script, type TableName } from './script.js';

/** Differences that go to the kernel in one step. */
const BATCH = 200;

export interface WriterOptions {
  readonly table: TableName;
  readonly clock: Clock;
  /** @throws NftRefusal nothing of the script was done */
  readonly run: (script: Script) => Promise<void>;
  /** Puts table, sets and every held element back; called where they are not as they should be. */
  readonly rebuild: () => Promise<void>;
}

/** A change to come: its timeout is reckoned when it is written, not when it was asked for. */
interface Pending {
  readonly element: Element;
  readonly deadlineMs: number | 'absent';
  readonly known: boolean;
}

interface Request {
  readonly changes: readonly Pending[];
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Writes changes in the order in which they are asked for, those that wait in one step. One that is
 * refused does not keep the others from being done.
 */
export class Writer {
  readonly #with: WriterOptions;
  #queue: (Request | (() => Promise<void>))[] = [];
  #running: Promise<void> | undefined;

  constructor(options: WriterOptions) {
    this.#with = options;
  }

  /** Resolves once the kernel has it. @throws NftRefusal, or what kept nft from running */
  apply({ puts, drops }: Difference): Promise<void> {
    const gone = drops.map((element): Pending => ({ element, deadlineMs: 'absent', known: true }));
    if (gone.length + puts.length === 0) return this.idle();
    return new Promise((resolve, reject) => {
      this.#enqueue({ changes: [...gone, ...puts], resolve, reject });
    });
  }

  /** Runs a task between two batches: nothing is written meanwhile but by it. */
  exclusive<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#enqueue(() => task().then(resolve, reject));
    });
  }

  /** Resolves when everything that was asked for until now is settled. */
  async idle(): Promise<void> {
    if (this.#running !== undefined) await this.exclusive(async () => {});
  }

  /** Within a task: these changes at once, each for itself where they are refused together. */
  async writeNow(changes: readonly Pending[]): Promise<void> {
    try {
      await this.#run(changes);
    } catch (error) {
      if (!(error instanceof NftRefusal)) throw error;
      for (const change of changes) await this.#one(change);
    }
  }

  #enqueue(item: Request | (() => Promise<void>)): void {
    this.#queue.push(item);
    this.#running ??= this.#pump();
  }

  async #pump(): Promise<void> {
    // What else is asked for in this turn of the event loop goes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const end = this.#queue.findIndex((item) => typeof item === 'function');
      if (end === 0) {
        const task = this.#queue.shift();
        if (typeof task === 'function') await task();
        continue;
      }
      const batch = this.#queue.splice(0, Math.min(end === -1 ? BATCH : end, BATCH));
      await this.#attempt(batch.filter((item) => typeof item !== 'function'));
    }
    this.#running = undefined;
  }

  /** Halves what is refused until it is alone. Never rejects. */
  async #attempt(requests: readonly Request[]): Promise<void> {
    const [first, ...more] = requests;
    if (first === undefined) return;
    try {
      if (more.length === 0) await this.writeNow(first.changes);
      else await this.#run(requests.flatMap(({ changes }) => changes));
      for (const { resolve } of requests) resolve();
    } catch (error) {
      if (more.length === 0 || !(error instanceof NftRefusal)) {
        for (const { reject } of requests) reject(error);
        return;
      }
      const middle = requests.length >> 1;
      await this.#attempt(requests.slice(0, middle));
      await this.#attempt(requests.slice(middle));
    }
  }

  /** One change alone. What should go and is not there has gone; what cannot be put is mended. */
  async #one(change: Pending): Promise<void> {
    try {
      await this.#run([change]);
    } catch (error) {
      const kind = error instanceof NftRefusal ? error.kind : undefined;
      if (change.deadlineMs === 'absent' && kind === 'absent') return;
      if (kind !== 'absent' && kind !== 'exists') throw error;
      await this.#with.rebuild();
    }
  }

  #run(changes: readonly Pending[]): Promise<void> {
    const { table, clock, run } = this.#with;
    const nowMs = clock.now();
    return run(
      Script.change(
        table,
        merged(changes).map((change) => timed(change, nowMs)),
      ),
    );
  }
}

/** The last word on each element; one that is spoken of twice may be there by then. */
function merged(changes: readonly Pending[]): readonly Pending[] {
  const last = new Map<string, Pending>();
  for (const change of changes) {
    const key = keyOf(change.element);
    const known = change.known || last.has(key);
    last.set(key, { ...change, known });
  }
  return [...last.values()];
}

/** An element of which the time is over is put no more. */
export function timed({ element, deadlineMs, known }: Pending, nowMs: number): Change {
  if (deadlineMs === 'absent') return { element, known, timeoutMs: 'absent' };
  if (deadlineMs === Number.POSITIVE_INFINITY) return { element, known, timeoutMs: null };
  const leftMs = deadlineMs - nowMs;
  return { element, known, timeoutMs: leftMs > 0 ? leftMs : 'absent' };
}
