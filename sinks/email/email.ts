/**
 * The e-mail sink: tells people what became of a grant. Each message is a session of its own with
 * the mail server; many calls for one door within a minute become one message.
 */
import type { Log } from '../../src/log/types.js';
import { type Resolve, resolveName } from '../resolve.js';
import type { EmailSettings, SinkEvent } from '../settings.js';
import type { Sink, SinkCall, SinkGrant } from '../types.js';
import { EmailFailure, type FailureContext, failureFrom } from './failure.js';
import { compose, type Envelope, mailboxOf, messageId } from './message.js';
import { emailRetries } from './retries.js';
import { loadServer } from './server.js';
import { type Outcome, type Server, submit } from './submit.js';
import { loadTexts, type Write } from './texts.js';

export interface EmailOptions {
  readonly log: Log;
  /** How names become addresses; the host's own way by default. */
  readonly resolve?: Resolve;
  /** Of one attempt as a whole; 30 s by default. */
  readonly timeoutMs?: number;
}

const ATTEMPT_MS = 30_000;

/** Messages of which it is remembered who has had them while others are still owed them. */
const MAX_PARTIAL = 1_000;

/**
 * Loads what the section names and gives its sink. Nothing is sent yet, and no name resolved.
 * @throws PosternError POSTERN_E_SINK with section, path and remedy
 */
export async function createEmail(
  settings: EmailSettings,
  { log, resolve = resolveName, timeoutMs = ATTEMPT_MS }: EmailOptions,
): Promise<Sink> {
  const of = `[${settings.name}]`;
  const server = await loadServer(settings, of);
  const write = await loadTexts(settings, of);
  return new Email(settings, server, write, { log, resolve, timeoutMs }).sink();
}

class Email {
  readonly #settings: EmailSettings;
  readonly #server: Server;
  readonly #write: Write;
  readonly #options: Required<EmailOptions>;
  readonly #failing: FailureContext;
  /** By id of a message: addresses that have had it. */
  readonly #partial = new Map<string, ReadonlySet<string>>();

  constructor(
    settings: EmailSettings,
    server: Server,
    write: Write,
    options: Required<EmailOptions>,
  ) {
    this.#settings = settings;
    this.#server = server;
    this.#write = write;
    this.#options = options;
    const { host, port, auth } = server;
    this.#failing = {
      target: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      timeoutMs: options.timeoutMs,
      secrets: auth === undefined ? [] : [auth.password, `\0${auth.user}\0${auth.password}`],
    };
  }

  sink(): Sink {
    const { name, events, collectMs } = this.#settings;
    const tell = (event: SinkEvent, grant: SinkGrant, signal: AbortSignal, reason?: string) => {
      const atMs = grant.atMs ?? Date.now();
      const call = { event, grant, atMs, ...(reason !== undefined && { reason }) };
      return this.#tell([call], signal);
    };
    return {
      name,
      delivery: emailRetries(collectMs),
      // A sink has to open; one that is not to tell of it has done so at once.
      open: async (grant, signal) => {
        if (events.includes('open')) await tell('open', grant, signal);
      },
      ...(events.includes('close') && {
        close: (grant: SinkGrant, signal: AbortSignal) => tell('close', grant, signal),
      }),
      ...(events.includes('failed') && {
        failed: (grant: SinkGrant, reason: string, signal: AbortSignal) =>
          tell('failed', grant, signal, reason),
      }),
      ...(collectMs > 0 && {
        together: (calls: readonly SinkCall[], signal: AbortSignal) =>
          this.#tell(
            calls.filter(({ event }) => events.includes(event)),
            signal,
          ),
      }),
    };
  }

  async #tell(unordered: readonly SinkCall[], signal: AbortSignal): Promise<void> {
    const calls = inOrder(unordered);
    if (calls.length === 0) return;
    const from = mailboxOf(this.#settings.from);
    const to = this.#settings.to.map(mailboxOf);
    const id = messageId(this.#settings.name, calls, from.address);
    const outcome = await this.#attempt({ id, from, to }, calls, signal);
    const { accepted, refused } = outcome;
    this.#options.log.debug(
      { sink: this.#settings.name, id, accepted: accepted.length, refused: refused.length },
      'mail server answered',
    );
    if (refused.length > 0) this.#keep(id, accepted);
    else this.#partial.delete(id);
    const failure = this.#refusal(outcome);
    if (failure !== undefined) throw failure;
  }

  async #attempt(
    envelope: Envelope,
    calls: readonly SinkCall[],
    signal: AbortSignal,
  ): Promise<Outcome> {
    const had = this.#partial.get(envelope.id);
    const to = envelope.to.map(({ address }) => address).filter((address) => !had?.has(address));
    const raw = await compose(envelope, calls, this.#write(calls));
    try {
      return await submit(
        this.#server,
        { from: envelope.from.address, to, raw },
        this.#options,
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      throw failureFrom(error, this.#failing);
    }
  }

  /** So that the next attempt goes to the others alone. A restart forgets it: at least once. */
  #keep(id: string, accepted: readonly string[]): void {
    const had = this.#partial.get(id) ?? new Set();
    this.#partial.delete(id);
    this.#partial.set(id, new Set([...had, ...accepted]));
    const [oldest] = this.#partial.keys();
    if (this.#partial.size > MAX_PARTIAL && oldest !== undefined) this.#partial.delete(oldest);
  }

  /** Of recipients: never final, for a wrong address may be mended within the day. */
  #refusal({ refused }: Outcome): EmailFailure | undefined {
    const reasons = refused.map((error) => failureFrom(error, this.#failing));
    const [first] = reasons;
    if (first === undefined) return undefined;
    const others = refused.length > 1 ? `, and of ${refused.length - 1} more recipients` : '';
    return new EmailFailure(`${first.message} (of ${refused[0]?.recipient}${others})`, {
      isLasting: reasons.every(({ isLasting }) => isLasting),
    });
  }
}

const RANK = { failed: 0, open: 1, close: 1 } as const;

/** Failures first; else as it happened, and always the same. */
function inOrder(calls: readonly SinkCall[]): readonly SinkCall[] {
  return [...calls].sort(
    (a, b) =>
      RANK[a.event] - RANK[b.event] ||
      a.atMs - b.atMs ||
      compare(a.grant.id, b.grant.id) ||
      compare(a.event, b.event) ||
      compare(a.reason ?? '', b.reason ?? ''),
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
