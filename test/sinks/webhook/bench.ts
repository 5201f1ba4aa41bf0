import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WebhookSettings } from '../../../sinks/settings.js';
import type { Sink, SinkGrant } from '../../../sinks/types.js';
import { WebhookFailure } from '../../../sinks/webhook/failure.js';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { recordingLog } from '../../support/recording-log.js';
import { type Certificates, makeCertificates } from './certificates.js';
import { type Behaviour, Receiver } from './receiver.js';

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=';

export const GRANT: SinkGrant = {
  id: 'bastion-1700000000000-0',
  door: 'ssh',
  source: '192.0.2.7',
  host: 'bastion',
  untilMs: Date.UTC(2026, 0, 2, 3, 5, 5),
  leftMs: 60_000,
  completedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  atMs: Date.UTC(2026, 0, 2, 3, 4, 6),
};

/** For random tests; fast-check prints the seed of what failed, and SINK_SEED takes it back. */
export const random = (numRuns: number) => ({
  numRuns: Math.ceil(numRuns * Number(process.env['SINK_SCALE'] ?? 1)),
  ...(process.env['SINK_SEED'] !== undefined && { seed: Number(process.env['SINK_SEED']) }),
});

/** A signal that nobody aborts. */
export const never = new AbortController().signal;

/** A receiver with a certificate, and what a section that names it takes. */
export class WebhookBench {
  readonly dir: string;
  readonly certificates: Certificates;
  readonly log = recordingLog();
  receiver: Receiver;

  static async create(): Promise<WebhookBench> {
    const dir = await mkdtemp(join(tmpdir(), 'postern-webhook-'));
    const bench = new WebhookBench(dir, await makeCertificates(dir));
    await writeFile(bench.at('secret'), `${SECRET}\n`, { mode: 0o600 });
    await bench.fresh();
    return bench;
  }

  private constructor(dir: string, certificates: Certificates) {
    this.dir = dir;
    this.certificates = certificates;
    this.receiver = new Receiver(certificates);
  }

  at(name: string): string {
    return join(this.dir, name);
  }

  /** Another receiver in the place of the last one; nothing is known of what was. */
  async fresh(): Promise<void> {
    await this.receiver.close();
    this.receiver = await new Receiver(this.certificates).listen();
    this.log.entries.length = 0;
  }

  settings(changes: Partial<WebhookSettings> = {}): WebhookSettings {
    return {
      kind: 'webhook',
      name: 'webhook:ops',
      line: 1,
      url: `https://receiver.test:${this.receiver.port}/hook`,
      secretFile: this.at('secret'),
      events: ['open', 'close', 'failed'],
      timeoutMs: 5000,
      caFile: this.certificates.caFile,
      privateTargets: true,
      ...changes,
    };
  }

  /** Every name is 127.0.0.1. */
  sink(changes: Partial<WebhookSettings> = {}): Promise<Sink> {
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    return createWebhook(this.settings(changes), { log: this.log, resolve });
  }

  /** How an attempt fails at a receiver that behaves so. */
  async failure(
    behaviour: Behaviour | undefined,
    changes: Partial<WebhookSettings> = {},
  ): Promise<WebhookFailure> {
    if (behaviour !== undefined) this.receiver.behaviours = [behaviour];
    const sink = await this.sink(changes);
    const error: unknown = await sink.open(GRANT, never).then(
      () => 'delivered',
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof WebhookFailure, String(error));
    return error;
  }

  async dispose(): Promise<void> {
    await this.receiver.close();
    await rm(this.dir, { recursive: true });
  }
}
