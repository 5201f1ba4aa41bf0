/**
 * Receivers for sinks of a postern in a network namespace: they listen in this process, and a relay
 * on the server's loopback leads to them through unix sockets, which namespaces do not part.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { MailServer, PASSWORD, USER } from '../sinks/email/mail-server.js';
import { type Certificates, makeCertificates } from '../sinks/webhook/certificates.js';
import { type Received, Receiver } from '../sinks/webhook/receiver.js';
import { section } from '../support/conf.js';
import type { Lab } from '../support/lab.js';

export const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes now').toString('base64')}`;
export { PASSWORD } from '../sinks/email/mail-server.js';

/** Listens on a free port of the namespace's loopback; the path of a unix socket is its argument. */
const RELAY = `const net = require('node:net');
  const server = net.createServer((from) => {
    const to = net.connect(process.argv[1]);
    const end = () => { from.destroy(); to.destroy(); };
    for (const each of [from, to]) each.on('error', end).on('close', end);
    from.pipe(to).pipe(from);
  }).listen(0, '127.0.0.1', () => console.log('port', server.address().port));`;

export class SinksStage {
  readonly #bridges: Server[] = [];
  hook: Receiver;
  mail: MailServer;
  hookPort = 0;
  mailPort = 0;

  /** In a folder of the test's; ended by `close`. */
  static async open(lab: Lab, folder: string): Promise<SinksStage> {
    const stage = new SinksStage(lab, folder, await makeCertificates(folder));
    await Promise.all([stage.hook.listen(), stage.mail.listen()]);
    stage.hookPort = await stage.relay('hook', stage.hook.port);
    stage.mailPort = await stage.relay('mail', stage.mail.port);
    await lab.write(stage.secretFile, `${SECRET}\n`);
    await lab.write(stage.passwordFile, `${PASSWORD}\n`);
    return stage;
  }

  private constructor(
    private readonly lab: Lab,
    readonly folder: string,
    readonly certificates: Certificates,
  ) {
    this.hook = new Receiver(certificates);
    this.mail = new MailServer(certificates);
  }

  get secretFile(): string {
    return join(this.folder, 'ops.secret');
  }

  get passwordFile(): string {
    return join(this.folder, 'mail.password');
  }

  /** Gives the port of the server's loopback that leads to the one here. */
  async relay(name: string, port: number): Promise<number> {
    const path = join(this.folder, `${name}.sock`);
    const bridge = createServer((from) => {
      const to = connect(port, '127.0.0.1');
      const end = () => {
        from.destroy();
        to.destroy();
      };
      for (const each of [from, to]) each.on('error', end).on('close', end);
      from.pipe(to).pipe(from);
    });
    this.#bridges.push(bridge.listen(path));
    await once(bridge, 'listening');
    const relay = this.lab.program([process.execPath, '-e', RELAY, path]);
    const [, found = ''] = await relay.waitFor(/port (\d+)/);
    return Number(found);
  }

  webhook(name: string, more: Readonly<Record<string, string | number>> = {}): string {
    return section(`webhook:${name}`, {
      url: `https://127.0.0.1:${this.hookPort}/t0ken-of-the-url`,
      secret_file: this.secretFile,
      ca_file: this.certificates.caFile,
      ...more,
    });
  }

  email(name: string, more: Readonly<Record<string, string | number>> = {}): string {
    return section(`email:${name}`, {
      url: `smtp://${USER}@127.0.0.1:${this.mailPort}`,
      password_file: this.passwordFile,
      ca_file: this.certificates.caFile,
      from: 'postern@example.net',
      to: 'oncall@example.net',
      events: 'open, close, failed',
      collect: 0,
      ...more,
    });
  }

  /** What the webhook was told, each verified as the documentation shows it. */
  told(): Told[] {
    return this.hook.requests.map(toldBy);
  }

  async close(): Promise<void> {
    for (const bridge of this.#bridges) bridge.close();
    await Promise.all([this.hook.close(), this.mail.close()]);
  }
}

export interface Told {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function toldBy({ headers, body }: Received): Told {
  const verified = new Webhook(SECRET).verify(body, headers);
  assert.ok(typeof verified === 'object' && verified !== null);
  assert.ok('type' in verified && typeof verified.type === 'string');
  assert.ok('data' in verified && typeof verified.data === 'object' && verified.data !== null);
  return { id: headers['webhook-id'] ?? '', type: verified.type, data: { ...verified.data } };
}
