import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SMTPServerOptions } from 'smtp-server';
import { createEmail, type EmailOptions } from '../../../sinks/email/email.js';
import { EmailFailure } from '../../../sinks/email/failure.js';
import type { EmailSettings } from '../../../sinks/settings.js';
import type { Sink, SinkCall, SinkGrant } from '../../../sinks/types.js';
import { recordingLog } from '../../support/recording-log.js';
import { type Certificates, makeCertificates } from '../webhook/certificates.js';
import { MailServer, PASSWORD } from './mail-server.js';

export { GRANT, never, random } from '../webhook/bench.js';

/** A mail server with a certificate, and what a section that names it takes. */
export class EmailBench {
  readonly dir: string;
  readonly certificates: Certificates;
  readonly log = recordingLog();
  server: MailServer;

  static async create(): Promise<EmailBench> {
    const dir = await mkdtemp(join(tmpdir(), 'postern-email-'));
    const bench = new EmailBench(dir, await makeCertificates(dir));
    await writeFile(bench.at('password'), `${PASSWORD}\n`, { mode: 0o600 });
    return bench;
  }

  private constructor(dir: string, certificates: Certificates) {
    this.dir = dir;
    this.certificates = certificates;
    this.server = new MailServer(certificates);
  }

  at(name: string): string {
    return join(this.dir, name);
  }

  /** Another server in the place of the last one; nothing is known of what was. */
  async fresh(options: SMTPServerOptions = {}): Promise<void> {
    if (this.server.port !== 0) await this.server.close();
    this.server = await new MailServer(this.certificates, options).listen();
    this.log.entries.length = 0;
  }

  settings(changes: Partial<EmailSettings> = {}): EmailSettings {
    return {
      kind: 'email',
      name: 'email:oncall',
      line: 1,
      host: 'receiver.test',
      port: this.server.port,
      tls: 'starttls',
      caFile: this.certificates.caFile,
      from: 'Postern <postern@example.net>',
      to: ['ops@example.net'],
      events: ['open', 'close', 'failed'],
      collectMs: 60_000,
      ...changes,
    };
  }

  /** Every name is 127.0.0.1. */
  sink(changes: Partial<EmailSettings> = {}, options: Partial<EmailOptions> = {}): Promise<Sink> {
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    return createEmail(this.settings(changes), { log: this.log, resolve, ...options });
  }

  async file(name: string, text: string): Promise<string> {
    await writeFile(this.at(name), text);
    return this.at(name);
  }

  async dispose(): Promise<void> {
    await this.server.close();
    await rm(this.dir, { recursive: true });
  }
}

/** How it fails. */
export async function failureOf(sending: Promise<void>): Promise<EmailFailure> {
  const error: unknown = await sending.then(
    () => 'delivered',
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EmailFailure, String(error));
  return error;
}

/** Many calls for one door, a second apart. */
export function calls(grant: SinkGrant, events: readonly SinkCall['event'][]): SinkCall[] {
  return events.map((event, index) => ({
    event,
    atMs: Date.UTC(2026, 0, 2, 3, 4, index),
    grant: { ...grant, id: `bastion-${index}`, source: `192.0.2.${(index % 254) + 1}` },
    ...(event === 'failed' && { reason: `exec: reason ${index}` }),
  }));
}
