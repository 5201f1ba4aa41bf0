/** One bastion of a cluster in a test: its configuration, its folder, and the postern it runs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterKeysText } from '../../../src/cluster/keys.js';
import type { ClusterStatus } from '../../../src/cluster/status.js';
import { ask } from '../../../src/control/client.js';
import type { Status } from '../../../src/control/protocol.js';
import type { JournalEvent } from '../../../src/journal/events.js';
import type { JournalKey } from '../../../src/journal/key.js';
import { section } from '../../support/conf.js';
import { type Postern, startPostern } from '../../support/daemon.js';
import type { Network } from '../../support/netns.js';
import { poll } from '../../support/poll.js';
import type { RunResult } from '../../support/run.js';
import { addressesOf, type Place } from './network.js';

export type Directives = Readonly<Record<string, string | number>>;

export interface BastionOptions {
  readonly place: Place;
  readonly network: Network;
  readonly folder: string;
  /** The text behind the cluster's lines. */
  readonly configuration: (host: Bastion) => string;
  /** The lines of [options] that make it a member of its cluster; none: a host alone. */
  readonly membership: (host: Bastion) => Directives;
  readonly redisPassword: string;
}

/** A slow machine that starts three at once. */
const START_WITHIN_MS = 20_000;

export class Bastion {
  readonly place: Place;
  readonly network: Network;
  readonly folder: string;
  /** Addresses that clients knock at. */
  readonly v4: string;
  readonly v6: string;
  readonly keyFile: string;
  readonly passwordFile: string;
  #postern: Postern | undefined;
  /** What posterns before the present one wrote. */
  #before = '';

  constructor(private readonly options: BastionOptions) {
    this.place = options.place;
    this.network = options.network;
    this.folder = options.folder;
    this.keyFile = join(this.folder, 'cluster.key');
    this.passwordFile = join(this.folder, 'redis-password');
    const { v4, v6 } = addressesOf(this.place);
    this.v4 = v4;
    this.v6 = v6;
  }

  /** Its name in the cluster, unless its configuration says otherwise. */
  get name(): string {
    return this.place;
  }

  /** The present postern, or the last one. */
  get postern(): Postern {
    if (this.#postern === undefined) throw new Error(`${this.name} was never started`);
    return this.#postern;
  }

  get isRunning(): boolean {
    return this.#postern?.program.running === true;
  }

  /** Everything that every postern of this host wrote. */
  get logs(): string {
    return this.#before + (this.#postern?.logs ?? '');
  }

  /** Makes the folder, and the files that only the host's administrator can read. */
  async prepare(keys: readonly JournalKey[]): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await this.writeKeys(keys);
    await writeFile(this.passwordFile, `${this.options.redisPassword}\n`, { mode: 0o600 });
  }

  /** The first key signs. */
  async writeKeys(keys: readonly JournalKey[]): Promise<void> {
    await writeFile(this.keyFile, clusterKeysText(keys), { mode: 0o600 });
  }

  /** The text of its knockd.conf. */
  conf(): string {
    const membership = this.options.membership(this);
    const own = this.options.configuration(this);
    // A second [options] adds to the first.
    return Object.keys(membership).length === 0 ? own : `${section('options', membership)}\n${own}`;
  }

  /** Starts postern and waits until it captures; `early`: does not wait. */
  async start({ early = false, env }: { early?: boolean; env?: NodeJS.ProcessEnv } = {}) {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    this.#before = this.logs;
    const conf = this.conf();
    const { folder, network } = this;
    const options = { conf, folder, interface: 'eth0', early: true, ...(env && { env }) };
    this.#postern = await startPostern(network, options);
    if (!early) await this.listens();
  }

  /** The present postern captures: it has caught up with the cluster. */
  async listens(): Promise<void> {
    await this.postern.program.waitFor(/^listening on /m, { withinMs: START_WITHIN_MS });
  }

  /** SIGTERM, and the promise that it ends within 2 s and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.postern.stop('SIGTERM', { keep: true });
  }

  /** SIGKILL is the end of it and of its children; other signals go to the core alone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (signal === 'SIGKILL') await this.postern.kill();
    else this.postern.program.child.kill(signal);
  }

  /** Ends it as `systemctl restart` does, and starts it again. */
  async restart(): Promise<void> {
    if (this.isRunning) await this.stop();
    await this.start();
  }

  /** SIGHUP with the configuration as it is now; waits for the outcome. */
  async reload(outcome = /configuration reloaded/): Promise<void> {
    await this.postern.reload(this.conf(), outcome);
  }

  async status(): Promise<Status & { readonly cluster?: ClusterStatus }> {
    for await (const reply of ask(this.#socket, { command: 'status' })) {
      if ('status' in reply) return reply.status;
    }
    throw new Error(`${this.name} ended before it gave its status`);
  }

  /** This host's view of the cluster. */
  async cluster(): Promise<ClusterStatus> {
    const { cluster } = await this.status();
    if (cluster === undefined) throw new Error(`${this.name} knows of no cluster`);
    return cluster;
  }

  /** Waits until it says that it is in this state with its cluster. */
  async is(state: ClusterStatus['state'], withinMs = 10_000): Promise<void> {
    const asks = async () => (await this.cluster()).state === state;
    await poll(asks, `${this.name} is ${state}`, withinMs);
  }

  /** This host's own journal, oldest first. */
  async events(): Promise<JournalEvent[]> {
    const events: JournalEvent[] = [];
    for await (const reply of ask(this.#socket, { command: 'events', follow: false })) {
      if ('event' in reply) events.push(reply.event);
    }
    return events;
  }

  /** Runs a subcommand of postern that talks to it: `close`, `cluster forget`. */
  ask(...words: readonly string[]): Promise<RunResult> {
    return this.postern.ask(...words);
  }

  /** `nft list ruleset`. */
  ruleset(): Promise<string> {
    return this.network.must('server', ['nft', 'list', 'ruleset']);
  }

  /** The lines that every postern of this host logged and that match, as objects where they are. */
  said(pattern: RegExp): string[] {
    return this.logs.split('\n').filter((line) => pattern.test(line));
  }

  /** Ends it whatever it takes. Never throws. */
  async dispose(): Promise<void> {
    // A stopped process does not see that it is to end.
    if (this.isRunning) this.#postern?.program.child.kill('SIGCONT');
    await this.#postern?.dispose();
  }

  get #socket(): string {
    return join(this.postern.stateDir, 'control.sock');
  }
}
