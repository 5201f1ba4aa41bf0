/**
 * The module sink: a user's own, loaded from a file of root's. It runs inside postern, with all its
 * rights; what is bounded here is what its mistakes can do: time, concurrency, and what it throws.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PosternError } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';
import type { ModuleSettings } from '../settings.js';
import type { Sink, SinkGrant } from '../types.js';
import { Abandoned, callWithin } from './call.js';
import { type LoadedModule, loadModule } from './load.js';
import { moduleReason } from './reason.js';
import { GrantTurns, type Turn } from './turns.js';

const DEFAULT_TIMEOUT_S = 60;
const MAX_TIMEOUT_S = 3600;
/** postern waits no longer than 10 s for a sink. */
const LOAD_WITHIN_MS = 9_000;
/** Before the second and the third try to open, milliseconds. */
const PAUSES_MS = [500, 1000];

export interface ModuleOptions {
  readonly log: Log;
  /** For the module and what its function does, milliseconds. */
  readonly loadWithinMs?: number;
}

/**
 * Loads the module and gives its sink, which acts: it has no `delivery`. `timeout` of the options
 * (seconds, 60) bounds each of its calls.
 * @throws PosternError POSTERN_E_SINK with section, path, what is wrong, and where it is known the line
 */
export async function createModuleSink(
  settings: ModuleSettings,
  { log, loadWithinMs = LOAD_WITHIN_MS }: ModuleOptions,
): Promise<Sink> {
  const timeoutMs = timeoutOf(settings);
  const module = await loadModule(settings, loadWithinMs, log);
  return new ModuleSink(settings.name, module, timeoutMs, log).sink();
}

function timeoutOf({ name, options }: ModuleSettings): number {
  const text = options['timeout'] ?? String(DEFAULT_TIMEOUT_S);
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds >= 0.1 && seconds <= MAX_TIMEOUT_S) return seconds * 1000;
  const problem = `timeout is to be a number of seconds from 0.1 to ${MAX_TIMEOUT_S}`;
  throw new PosternError('POSTERN_E_SINK', `[${name}]: ${problem}`);
}

/** One call of the module, and what is known about it. */
interface Call {
  readonly what: string;
  readonly grant: SinkGrant;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

class ModuleSink {
  readonly #turns = new GrantTurns();

  constructor(
    private readonly name: string,
    private readonly module: LoadedModule,
    private readonly timeoutMs: number,
    private readonly log: Log,
  ) {}

  sink(): Sink {
    const { close, failed } = this.module.sink;
    return {
      name: this.name,
      open: (grant, signal) =>
        this.#turns.take(grant.id, signal, (turn) => this.#open(frozen(grant), turn)),
      ...(close !== undefined && {
        close: (grant: SinkGrant, signal: AbortSignal) =>
          this.#turns.close(grant.id, signal, (turn) => this.#close(frozen(grant), turn.signal)),
      }),
      ...(failed !== undefined && {
        failed: (grant: SinkGrant, reason: string, signal: AbortSignal) =>
          this.#turns.take(grant.id, signal, (turn) =>
            this.#failed(frozen(grant), reason, turn.signal),
          ),
      }),
    };
  }

  /** Tries again what fails at once, as long as there is time: a module talks to what restarts. */
  async #open(grant: SinkGrant, turn: Turn): Promise<void> {
    const { signal } = turn;
    const untilMs = performance.now() + this.timeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      const timeoutMs = untilMs - performance.now();
      try {
        const call = { what: 'open', grant, signal, timeoutMs };
        await this.#call((stop) => this.module.sink.open(grant, stop), call);
        return;
      } catch (error) {
        if (error instanceof Abandoned) this.#watch(grant, turn, error);
        const pauseMs = PAUSES_MS[attempt - 1];
        const leftMs = untilMs - performance.now();
        const isOver = signal.aborted || error instanceof Abandoned;
        if (isOver || pauseMs === undefined || pauseMs >= leftMs) throw plain(error);
        const fields = { ...this.#names(grant), attempt, reason: moduleReason(error) };
        this.log.warn(fields, 'the module failed to open, and is asked again');
        await pause(pauseMs, signal);
      }
    }
  }

  async #close(grant: SinkGrant, signal: AbortSignal): Promise<void> {
    const call = { what: 'close', grant, signal, timeoutMs: this.timeoutMs };
    await this.#once((stop) => this.module.sink.close?.(grant, stop), call);
  }

  async #failed(grant: SinkGrant, reason: string, signal: AbortSignal): Promise<void> {
    const call = { what: 'failed', grant, signal, timeoutMs: this.timeoutMs };
    await this.#once((stop) => this.module.sink.failed?.(grant, reason, stop), call);
  }

  async #once(act: (signal: AbortSignal) => unknown, call: Call): Promise<void> {
    try {
      await this.#call(act, call);
    } catch (error) {
      throw plain(error);
    }
  }

  async #call(act: (signal: AbortSignal) => unknown, call: Call): Promise<void> {
    const { what, grant, signal, timeoutMs } = call;
    try {
      const overdue = `${what} took longer than ${this.timeoutMs / 1000} s`;
      await callWithin(act, { owner: this.module.owner, timeoutMs, overdue, signal });
    } catch (error) {
      if (error instanceof Abandoned) {
        const fields = { ...this.#names(grant), call: what };
        this.log.warn(
          fields,
          'the module does not stop when told to: nobody waits for it any more',
        );
      }
      throw error;
    }
  }

  /** An opening that nobody waits for may open after the grant was closed: it is closed again. */
  #watch(grant: SinkGrant, turn: Turn, { settled }: Abandoned): void {
    if (this.module.sink.close === undefined) return;
    turn.watch(settled, async (again) => {
      const fields = this.#names(grant);
      this.log.warn(
        fields,
        'the module ended an opening after the grant was closed: closing again',
      );
      try {
        await this.#close(grant, again);
      } catch (error) {
        const reason = moduleReason(error);
        this.log.error({ ...fields, reason }, 'THE DOOR MAY STILL BE OPEN: closing again failed');
      }
    });
  }

  #names({ id, door, source }: SinkGrant) {
    return { sink: this.name, grant: id, door, source };
  }
}

/** What the module is given is its own copy, and cannot be changed. */
function frozen(grant: SinkGrant): SinkGrant {
  return Object.freeze({ ...grant });
}

/** An error of ours, whatever the module threw. */
function plain(thrown: unknown): Error {
  return new Error(moduleReason(thrown));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw plain(signal.reason);
  }
}
