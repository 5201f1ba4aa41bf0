/** One sink of the configuration while postern runs: loaded, broken, or loaded anew. */
import { stat } from 'node:fs/promises';
import type { SinkSettings } from '../sinks/settings.js';
import type { DeliveryPolicy, Sink } from '../sinks/types.js';
import { brokenSink } from './broken-sink.js';
import { createSink, filesOf } from './create-sink.js';
import { PosternError, reasonOf } from './errors.js';
import type { Log } from './log/types.js';

export interface Loading {
  readonly create: typeof createSink;
  /** A module of the user's that never gets ready must not keep postern from starting. */
  readonly withinMs: number;
}

export const LOADING: Loading = { create: createSink, withinMs: 10_000 };

export class NamedSink {
  /** Why it cannot be used, or why what changed of it was not taken; undefined: all is well. */
  problem: string | undefined;
  #sink: Sink;
  #face: Sink;
  #isLoaded = false;
  /** What its files were when it was loaded. */
  #files = '';
  #turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: SinkSettings,
    private readonly log: Log,
    private readonly loading: Loading,
  ) {
    this.#sink = brokenSink(settings, `[${settings.name}] is not loaded yet`);
    this.#face = this.#faceOf(this.#sink);
  }

  /** The sink, which is what it is at each call: a reload mends what is open, too. */
  get sink(): Sink {
    return this.#face;
  }

  /**
   * Loads it, if it is not or if its files are others by now. One that worked goes on as it was when
   * its new files are of no use. Never rejects: what is wrong is logged and stays in `problem`.
   */
  load(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#load());
    return this.#turn;
  }

  async #load(): Promise<void> {
    // Looked at before they are read: what changes in between is seen the next time.
    const files = await stateOf(filesOf(this.settings));
    if (this.#isLoaded && files === this.#files) return;
    const { name } = this.settings;
    try {
      this.#become(await this.#made());
      [this.#isLoaded, this.#files] = [true, files];
      if (this.problem !== undefined) this.log.info({ sink: name }, 'the sink can be used again');
      this.problem = undefined;
    } catch (error) {
      this.problem = reasonOf(error);
      if (!this.#isLoaded) this.#become(brokenSink(this.settings, this.problem));
      const what = this.#isLoaded
        ? 'THE SINK COULD NOT BE LOADED AGAIN, and goes on as it was'
        : 'THE SINK CANNOT BE USED: mend it, then reload postern';
      this.log.error({ sink: name, reason: this.problem }, what);
    }
  }

  async #made(): Promise<Sink> {
    const { create, withinMs } = this.loading;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const why = `[${this.settings.name}] was not ready within ${withinMs / 1000} s`;
      timer = setTimeout(() => reject(new PosternError('POSTERN_E_SINK', why)), withinMs);
    });
    return Promise.race([create(this.settings, this.log), late]).finally(() => clearTimeout(timer));
  }

  #become(sink: Sink): void {
    this.#sink = sink;
    this.#face = this.#faceOf(sink);
  }

  /** Has what `like` has; the calls go to whatever sink there is by then. */
  #faceOf(like: Sink): Sink {
    const now = () => this.#sink;
    return {
      name: this.settings.name,
      open: (grant, signal) => now().open(grant, signal),
      ...(like.delivery && { delivery: policyOf(like.delivery, now) }),
      ...(like.extend && { extend: async (grant, signal) => now().extend?.(grant, signal) }),
      ...(like.close && { close: async (grant, signal) => now().close?.(grant, signal) }),
      ...(like.failed && {
        failed: async (grant, reason, signal) => now().failed?.(grant, reason, signal),
      }),
      // Only mail has it, by its settings: one that works in the place of a broken one may have more,
      // never less.
      ...(like.together && {
        together: async (calls, signal) => now().together?.(calls, signal),
      }),
    };
  }
}

function policyOf(like: DeliveryPolicy, now: () => Sink): DeliveryPolicy {
  return {
    retryAfterMs: (attempt, error, ageMs) =>
      (now().delivery ?? like).retryAfterMs(attempt, error, ageMs),
    ...(like.collectMs !== undefined && { collectMs: like.collectMs }),
  };
}

async function stateOf(files: readonly string[]): Promise<string> {
  const states = files.map(async (file) => {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file);
      return [dev, ino, size, mtimeMs, ctimeMs];
    } catch (error) {
      return reasonOf(error);
    }
  });
  return JSON.stringify(await Promise.all(states));
}
