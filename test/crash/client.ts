/** The other host: knocks from its addresses, and sees from outside which doors are open when. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Network, SERVER4 } from '../support/netns.js';
import { endProcess } from '../support/processes.js';

/** One TCP connection that was tried; wall clock, milliseconds. */
export interface Attempt {
  readonly source: string;
  readonly port: number;
  readonly open: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Knocking {
  readonly id: number;
  readonly source: string;
  readonly server: string;
  readonly ports: readonly number[];
}

export interface Watching {
  readonly sources: readonly string[];
  readonly server: string;
  readonly ports: readonly number[];
  readonly everyMs: number;
}

/** Packets to no port of any sequence, until the next order of the kind. */
export interface Disturbing {
  readonly source: string;
  readonly server: string;
}

export type Orders =
  | { readonly knock: Knocking }
  | { readonly watch: Watching }
  | { readonly disturb: Disturbing };
type Report = { readonly knocked: number } | { readonly attempt: Attempt };

export class Client {
  /** Every attempt that connected, oldest first. */
  readonly openings: Attempt[] = [];
  /** How often a service was tried. */
  tried = 0;
  readonly #child: ChildProcess;
  readonly #latest = new Map<string, Attempt>();
  readonly #knocks = new Map<number, () => void>();
  #ids = 0;

  constructor(network: Network) {
    const script = fileURLToPath(new URL('./client-process.js', import.meta.url));
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    this.#child = network.spawn('client', [process.execPath, script], { stdio: [...stdio] });
    this.#child.on('message', (report: Report) => this.#hear(report));
  }

  /** Tries these ports of the server from each source, all the time from now on. */
  watch(sources: readonly string[], ports: readonly number[], everyMs: number): void {
    const watch: Watching = { sources, ports, everyMs, server: SERVER4 };
    this.#child.send({ watch } satisfies Orders);
  }

  /** Resolves when the last hit is sent. */
  knock(source: string, ports: readonly number[], server = SERVER4): Promise<void> {
    this.#ids += 1;
    const id = this.#ids;
    this.#child.send({ knock: { id, source, ports, server } } satisfies Orders);
    return new Promise((resolve) => this.#knocks.set(id, resolve));
  }

  /** Keeps the wire busy: some hundred UDP packets a second, from now on. */
  disturb(source: string, server: string): void {
    this.#child.send({ disturb: { source, server } } satisfies Orders);
  }

  /** Whether the last attempt that was begun after `sinceMs` connected; undefined: none was. */
  isOpen(source: string, port: number, sinceMs = 0): boolean | undefined {
    const latest = this.#latest.get(`${source} ${port}`);
    return latest !== undefined && latest.fromMs >= sinceMs ? latest.open : undefined;
  }

  async stop(): Promise<void> {
    await endProcess(this.#child);
  }

  #hear(report: Report): void {
    if ('knocked' in report) {
      this.#knocks.get(report.knocked)?.();
      this.#knocks.delete(report.knocked);
      return;
    }
    const { attempt } = report;
    this.tried += 1;
    this.#latest.set(`${attempt.source} ${attempt.port}`, attempt);
    if (attempt.open) this.openings.push(attempt);
  }
}
