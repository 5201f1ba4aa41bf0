/** A client of a cluster: knocks at hosts, and sees from outside which services it reaches. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Network } from '../../support/netns.js';
import { endProcess } from '../../support/processes.js';

/** `7000`, `'7000:tcp'`, `'7000:udp'`. */
export type Hit = number | string;

/** Something that is tried; dropped rather than refused, it is given up after `patienceMs`. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** One of the client's addresses; absent: its first. */
  readonly source?: string | undefined;
  readonly patienceMs: number;
}

/** One TCP connection that was tried; wall clock, milliseconds. */
export interface Attempt extends Omit<Target, 'patienceMs'> {
  readonly open: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Knocking extends Omit<Target, 'host' | 'port'> {
  readonly id: number;
  readonly hosts: readonly string[];
  readonly hits: readonly Hit[];
  readonly everyMs: number;
}

export interface Watching {
  readonly targets: readonly Target[];
  readonly everyMs: number;
}

export type Order =
  | ({ readonly do: 'knock' } & Knocking)
  | { readonly do: 'try'; readonly id: number; readonly target: Target }
  | ({ readonly do: 'watch' } & Watching);

export type Report =
  | { readonly id: number; readonly open: boolean }
  | { readonly attempt: Attempt };

export interface KnockOptions {
  /** Milliseconds between hits; 10 by default. */
  readonly everyMs?: number;
  readonly source?: string;
}

const PATIENCE_MS = 250;

export class ClusterClient {
  /** Every watched attempt that connected, oldest first. */
  readonly openings: Attempt[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { done(open: boolean): void; fail(error: Error): void }>();
  readonly #latest = new Map<string, Attempt>();
  #ids = 0;

  /** @param network the client's namespace is its server side */
  constructor(network: Network) {
    const script = fileURLToPath(new URL('./client-process.js', import.meta.url));
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    this.#child = network.spawn('server', [process.execPath, script], { stdio: [...stdio] });
    this.#child.on('message', (report: Report) => this.#hear(report));
    this.#child.once('exit', () => {
      for (const { fail } of this.#waiting.values()) fail(new Error('the client has ended'));
    });
  }

  /** Sends a sequence to all of these addresses at once; resolves when the last hit is sent. */
  async knock(
    hosts: readonly string[],
    hits: readonly Hit[],
    { everyMs = 10, source }: KnockOptions = {},
  ): Promise<void> {
    const knocking = { hosts, hits, everyMs, source, patienceMs: PATIENCE_MS };
    await this.#ask((id) => ({ do: 'knock', id, ...knocking }));
  }

  /** Whether a TCP connection is accepted within 250 ms. */
  connects(host: string, port: number, source?: string): Promise<boolean> {
    const target: Target = { host, port, source, patienceMs: PATIENCE_MS };
    return this.#ask((id) => ({ do: 'try', id, target }));
  }

  /** Tries these services again and again, from now on. */
  watch(targets: readonly Omit<Target, 'patienceMs'>[], everyMs: number): void {
    const patient = targets.map((target) => ({ ...target, patienceMs: PATIENCE_MS }));
    this.#send({ do: 'watch', targets: patient, everyMs }, () => {});
  }

  /** Whether the last attempt that was begun after `sinceMs` connected; undefined: none was. */
  isOpen(target: Omit<Target, 'patienceMs'>, sinceMs = 0): boolean | undefined {
    const latest = this.#latest.get(nameOf(target));
    return latest !== undefined && latest.fromMs >= sinceMs ? latest.open : undefined;
  }

  async stop(): Promise<void> {
    await endProcess(this.#child);
  }

  #ask(order: (id: number) => Order): Promise<boolean> {
    this.#ids += 1;
    const id = this.#ids;
    return new Promise<boolean>((done, fail) => {
      this.#waiting.set(id, { done, fail });
      this.#send(order(id), fail);
    }).finally(() => this.#waiting.delete(id));
  }

  /** `fail` is told when the process is gone: what a failed test still does must not end the run. */
  #send(order: Order, fail: (error: Error) => void): void {
    this.#child.send(order, (error) => {
      if (error !== null) fail(error);
    });
  }

  #hear(report: Report): void {
    if ('id' in report) {
      this.#waiting.get(report.id)?.done(report.open);
      return;
    }
    const { attempt } = report;
    this.#latest.set(nameOf(attempt), attempt);
    if (attempt.open) this.openings.push(attempt);
  }
}

function nameOf({ host, port, source = '' }: Omit<Target, 'patienceMs'>): string {
  return `${host} ${port} ${source}`;
}
