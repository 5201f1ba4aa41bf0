/**
 * The webhook sink: tells a receiver by HTTP what became of a grant, in the form of Standard Webhooks
 * 1.0.0. Each attempt is one signed POST over a connection of its own.
 */
import type { SecureContext } from 'node:tls';
import { PosternError } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';
import { type Resolve, resolveName } from '../resolve.js';
import type { SinkEvent, WebhookSettings } from '../settings.js';
import { loadTrust } from '../trust.js';
import type { Sink, SinkCall, SinkGrant } from '../types.js';
import { failureFrom, failureOf, WebhookFailure } from './failure.js';
import { type Body, bodyFromFile, messageId, standardBody } from './message.js';
import { type Answer, post } from './post.js';
import { webhookRetries } from './retries.js';
import { loadSigner, type Sign } from './secret.js';
import {
  connectLookup,
  PrivateTarget,
  requirePublicHost,
  type Target,
  targetOf,
} from './target.js';

export interface WebhookOptions {
  readonly log: Log;
  /** How names become addresses; the host's own way by default. */
  readonly resolve?: Resolve;
}

/**
 * Loads what the section names and gives its sink. Nothing is sent yet, and no name resolved.
 * @throws PosternError POSTERN_E_SINK with section, path and remedy
 */
export async function createWebhook(
  settings: WebhookSettings,
  { log, resolve = resolveName }: WebhookOptions,
): Promise<Sink> {
  const of = `[${settings.name}]`;
  const target = targetOf(settings.url, of);
  if (!settings.privateTargets) refusePrivateUrl(target, of);
  const webhook = new Webhook(settings, log, resolve, {
    target,
    sign: await loadSigner(settings.secretFile, of),
    body:
      settings.bodyFile === undefined ? standardBody : await bodyFromFile(settings.bodyFile, of),
    ...(target.isTls && { secureContext: await loadTrust(settings.caFile, of) }),
  });
  return webhook.sink();
}

function refusePrivateUrl(target: Target, of: string): void {
  try {
    requirePublicHost(target);
  } catch (error) {
    if (error instanceof PrivateTarget)
      throw new PosternError('POSTERN_E_SINK', `${of}: ${error.message}`);
    throw error;
  }
}

interface Loaded {
  readonly target: Target;
  readonly sign: Sign;
  readonly body: Body;
  readonly secureContext?: SecureContext;
}

class Webhook {
  readonly #settings: WebhookSettings;
  readonly #log: Log;
  readonly #resolve: Resolve;
  readonly #loaded: Loaded;
  /** The receiver said 410: it is not to be bothered any more. */
  #isGone = false;

  constructor(settings: WebhookSettings, log: Log, resolve: Resolve, loaded: Loaded) {
    this.#settings = settings;
    this.#log = log;
    this.#resolve = resolve;
    this.#loaded = loaded;
  }

  sink(): Sink {
    const { name, events } = this.#settings;
    const tell = async (event: SinkEvent, grant: SinkGrant, signal: AbortSignal, reason?: string) =>
      this.#tell(
        { event, grant, atMs: grant.atMs ?? Date.now(), ...(reason !== undefined && { reason }) },
        signal,
      );
    return {
      name,
      delivery: webhookRetries(),
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
    };
  }

  async #tell(call: SinkCall, signal: AbortSignal): Promise<void> {
    const { origin } = this.#loaded.target;
    if (this.#isGone) {
      const since = 'answered 410 Gone before, so nothing more is sent to it';
      throw new WebhookFailure(`${origin} ${since}`, { isFinal: true });
    }
    const id = messageId(this.#settings.name, call);
    const answer = await this.#attempt(id, call, signal);
    this.#log.debug({ sink: this.#settings.name, id, status: answer.status }, 'webhook answered');
    const failure = failureOf(answer, origin);
    if (failure === undefined) return;
    if (failure.isFinal) this.#endForGood(origin);
    throw failure;
  }

  async #attempt(id: string, call: SinkCall, signal: AbortSignal): Promise<Answer> {
    const { target, sign, body, secureContext } = this.#loaded;
    const { timeoutMs, privateTargets } = this.#settings;
    const text = body(call);
    const at = new Date();
    try {
      if (!privateTargets) requirePublicHost(target);
      return await post(
        {
          target,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'postern',
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
            'webhook-signature': sign(id, at, text),
          },
          body: Buffer.from(text),
          timeoutMs,
          lookup: connectLookup(this.#resolve, privateTargets),
          ...(secureContext !== undefined && { secureContext }),
        },
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      throw failureFrom(error, target.origin, timeoutMs);
    }
  }

  #endForGood(origin: string): void {
    this.#isGone = true;
    const advice = 'mend or remove the section, then reload postern';
    this.#log.error(
      { sink: this.#settings.name },
      `${origin} answered 410 Gone: nothing more is sent to it. If that is a mistake, ${advice}`,
    );
  }
}
