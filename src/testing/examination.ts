/** A sink under examination: its calls, what they did, and what is found wrong. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { UserSink } from '../../sinks/module/contract.js';
import { moduleReason } from '../../sinks/module/reason.js';
import type { SinkGrant } from '../../sinks/types.js';
import type { TestSinkOptions } from './types.js';

export const DEFAULT_TIMEOUT_MS = 5000;
/** A call that is told to stop has so long, milliseconds. */
const STOP_WITHIN_MS = 1000;
const MAX_MESSAGE = 500;

/** Nothing more can be found: a call goes on for ever. */
export class Hopeless extends Error {}

export type Outcome = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly why: string };
type Call = (sink: UserSink, grant: SinkGrant, signal: AbortSignal) => unknown;

const CALLS = {
  open: (sink, grant, signal) => sink.open(grant, signal),
  close: (sink, grant, signal) => sink.close?.(grant, signal),
  failed: (sink, grant, signal) => sink.failed?.(grant, 'a reason', signal),
} as const satisfies Record<string, Call>;
export type CallName = keyof typeof CALLS;

/** How a call is made otherwise than plainly. */
export interface CallOptions {
  /** Told to stop so many milliseconds after it began; 0: before. */
  readonly stopAfterMs?: number;
  readonly sink?: UserSink;
}

export class Examination {
  readonly #findings = new Set<string>();
  readonly timeoutMs: number;

  constructor(
    readonly sink: UserSink,
    private readonly options: TestSinkOptions,
  ) {
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  get findings(): readonly string[] {
    return [...this.#findings];
  }

  find(what: string): void {
    this.#findings.add(what);
  }

  /** A grant that nobody has seen yet. */
  grant(more: Partial<SinkGrant> = {}): SinkGrant {
    const nowMs = Date.now();
    return Object.freeze({
      door: 'test',
      source: '192.0.2.1',
      host: 'localhost',
      untilMs: nowMs + 60_000,
      leftMs: 60_000,
      completedAtMs: nowMs,
      ...this.options.grant,
      id: `test:${randomBytes(6).toString('hex')}`,
      ...more,
    });
  }

  /** What is open now; undefined where nobody can tell. */
  async state(): Promise<unknown> {
    const state: unknown = await this.options.state?.();
    return structuredClone(state);
  }

  /** Finds that `what`, unless the state is as it was. */
  async expect(state: unknown, what: string): Promise<void> {
    if (!isDeepStrictEqual(await this.state(), state)) this.find(what);
  }

  /** Makes a call, which may fail, but properly. */
  async call(name: CallName, grant: SinkGrant, options: CallOptions = {}): Promise<Outcome> {
    const { stopAfterMs, sink = this.sink } = options;
    const stop = new AbortController();
    if (stopAfterMs === 0) stop.abort(new Error('told to stop'));
    const over = new AbortController();
    const work = (async (): Promise<Outcome> => {
      try {
        await CALLS[name](sink, grant, stop.signal);
        return { kind: 'done' };
      } catch (error) {
        this.#judge(name, error);
        return { kind: 'failed', why: moduleReason(error) };
      } finally {
        over.abort();
      }
    })();
    const late = this.#lateness(name, stop, stopAfterMs, over.signal);
    const outcome = await Promise.race([work, late]);
    if (outcome !== undefined) return outcome;
    // It settled while its time was counted.
    return work;
  }

  /** Makes a call that is to succeed; finds out when it does not, and says when that was. */
  async must(name: CallName, grant: SinkGrant, when = '', sink = this.sink): Promise<void> {
    const outcome = await this.call(name, grant, { sink });
    if (outcome.kind === 'failed') this.find(`${name} fails${when}: ${outcome.why}`);
  }

  /** Throws when the time is over; resolves when the call was in time. */
  async #lateness(
    name: CallName,
    stop: AbortController,
    stopAfterMs: number | undefined,
    over: AbortSignal,
  ): Promise<undefined> {
    const pause = (ms: number) => sleep(ms, false, { signal: over }).catch(() => true as const);
    const firstMs = stopAfterMs ?? this.timeoutMs;
    if (await pause(firstMs)) return undefined;
    if (stopAfterMs === undefined) this.find(`${name} takes longer than ${firstMs} ms`);
    stop.abort(new Error('told to stop'));
    if (await pause(STOP_WITHIN_MS)) return undefined;
    const what = `${name} does not end within ${STOP_WITHIN_MS} ms after its signal aborts`;
    this.find(`${what}; give the signal on to what it waits for`);
    throw new Hopeless();
  }

  #judge(name: CallName, error: unknown): void {
    if (!(error instanceof Error)) {
      this.find(`${name} throws what is no Error: ${moduleReason(error)}`);
      return;
    }
    const text = String(error.message);
    if (text === '') this.find(`${name} throws an Error without a message`);
    if (/[\r\n]/.test(text))
      this.find(`${name} throws an Error of several lines: ${moduleReason(error)}`);
    if (text.length > MAX_MESSAGE)
      this.find(
        `${name} throws an Error of ${text.length} characters, of which ${MAX_MESSAGE} are shown`,
      );
  }
}
