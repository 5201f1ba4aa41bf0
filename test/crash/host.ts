/** The host that is hurt: services behind a firewall, and a postern that is started again. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { makeFolder, type Postern, startPostern } from '../support/daemon.js';
import { linesOf } from '../support/lines.js';
import { createNetwork, type Network } from '../support/netns.js';
import { commandLine, descendants, processesIn } from '../support/process-tree.js';
import { pidAlive, pidGone } from '../support/processes.js';
import { Client } from './client.js';
import { type CrashDoor, confOf, recordsIn } from './doors.js';

/** systemd's RestartSec, which is how long `Restart=always` waits. */
const RESTART_MS = 100;
const START_WITHIN_MS = 20_000;
/** Children of a killed core die with it at once; the kernel and two slow cores get this long. */
const ORPHAN_MS = 2000;

/**
 * A time without a listening postern, or the moment when a command was killed; wall clock, ms.
 */
export interface Absence {
  readonly fromMs: number;
  toMs: number;
}

export interface HostOptions {
  readonly doors: readonly CrashDoor[];
  /** Addresses of the client that knock. */
  readonly sources: readonly string[];
}

export class CrashHost {
  readonly absences: Absence[] = [];
  /** Processes that outlived the core that they belonged to, and cores that ended by themselves. */
  readonly strays: string[] = [];
  /** Grants of which a command was killed. */
  readonly hurt = new Set<string>();
  /** What every postern of this host wrote. */
  logs = '';
  #postern: Postern | undefined;
  #isWatched = false;
  readonly #checks: Promise<void>[] = [];

  private constructor(
    readonly network: Network,
    readonly client: Client,
    readonly folder: string,
    readonly doors: readonly CrashDoor[],
    readonly sources: readonly string[],
  ) {}

  static async make({ doors, sources }: HostOptions): Promise<CrashHost> {
    const network = await createNetwork({ clientAddresses: sources });
    for (const { shut } of doors) {
      if (shut === undefined) continue;
      await network.must(
        'server',
        shut.argv,
        shut.input === undefined ? {} : { input: shut.input },
      );
    }
    const ports = doors.map(({ port }) => port);
    const script = `for (const port of [${ports}]) require('net').createServer((s) =>
      s.on('error', () => {}).end()).listen(port, '0.0.0.0', () => console.log('up'))`;
    const services = network.spawn('server', [process.execPath, '-e', script]);
    if (services.stdout) await once(services.stdout, 'data');
    return new CrashHost(network, new Client(network), await makeFolder(), doors, sources);
  }

  get postern(): Postern {
    if (this.#postern === undefined) throw new Error('no postern was started');
    return this.#postern;
  }

  /** Starts postern; does not wait until it listens. */
  async begin(env: NodeJS.ProcessEnv = {}): Promise<Postern> {
    if (this.#postern !== undefined) this.logs += this.#postern.logs;
    const conf = confOf(this.doors, this.folder);
    const options = { conf, folder: this.folder, early: true, env };
    this.#postern = await startPostern(this.network, options);
    return this.#postern;
  }

  /** Starts postern and waits until it listens, which ends an absence. */
  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    const postern = await this.begin(env);
    await postern.program.waitFor(/^listening on /m, { withinMs: START_WITHIN_MS });
    const absence = this.absences.at(-1);
    if (absence?.toMs === Number.POSITIVE_INFINITY) absence.toMs = Date.now();
    if (this.#isWatched) return;
    // From here on: before postern's first start its guard is not there.
    this.#isWatched = true;
    const ports = this.doors.map(({ port }) => port);
    const everyMs = Math.max(100, ports.length * this.sources.length * 4);
    this.client.watch(this.sources, ports, everyMs);
  }

  /** kill -9 of the core. Its children are looked after while the test goes on. */
  async killCore(): Promise<void> {
    const family = this.familyOf(/redis-server|sensor|nft/);
    this.postern.program.child.kill('SIGKILL');
    await this.gone(family);
  }

  /** Waits for the end of a core that was killed, or killed itself; its children must go too. */
  async gone(family: readonly number[]): Promise<void> {
    const { code, signal } = await this.postern.program.ended();
    if (signal !== 'SIGKILL') this.strays.push(`postern ended by itself: ${code ?? signal}`);
    const last = this.absences.at(-1);
    if (last?.toMs !== Number.POSITIVE_INFINITY) {
      this.absences.push({ fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY });
    }
    this.#checks.push(this.#orphansOf(family));
  }

  /** Stops the core (SIGSTOP) and lets it go on: an absence without an end of anything. */
  async pause(ms: number): Promise<void> {
    const { child } = this.postern.program;
    child.kill('SIGSTOP');
    this.absences.push({ fromMs: Date.now(), toMs: Date.now() + ms });
    await new Promise((resolve) => setTimeout(resolve, ms));
    child.kill('SIGCONT');
  }

  /** As systemd would: a moment after its end. */
  async restart(env: NodeJS.ProcessEnv = {}): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    await this.start(env);
  }

  /** Pids below the core, at any depth, whose command line matches. */
  familyOf(what: RegExp): number[] {
    const below = this.postern.program.running ? descendants(this.postern.pid) : [];
    const inside = processesIn(this.postern.stateDir);
    return [...new Set([...below, ...inside])].filter(
      (pid) =>
        pid !== this.postern.pid && what.test(commandLine(pid)) && grantOf(pid) === undefined,
    );
  }

  /** Shells that run a door's command, with the grant that each is for. */
  commands(): { readonly pid: number; readonly grant: string }[] {
    return descendants(this.postern.pid).flatMap((pid) => {
      const grant = grantOf(pid);
      return grant === undefined ? [] : [{ pid, grant }];
    });
  }

  async starts(): Promise<string[]> {
    return linesOf(recordsIn(this.folder).starts);
  }

  async stops(): Promise<string[]> {
    return linesOf(recordsIn(this.folder).stops);
  }

  /** Once every look for orphans is over. */
  async checked(): Promise<void> {
    await Promise.all(this.#checks);
  }

  async dispose(): Promise<void> {
    await this.#postern?.dispose();
    await this.client.stop();
    await this.network.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #orphansOf(family: readonly number[]): Promise<void> {
    for (const pid of family) {
      const what = commandLine(pid);
      if (!(await pidGone(pid, ORPHAN_MS)) && pidAlive(pid)) this.strays.push(`${pid} ${what}`);
    }
  }
}

function grantOf(pid: number): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    return /(?:^|\0)POSTERN_GRANT=([^\0]*)/.exec(environment)?.[1];
  } catch {
    return undefined; // It ended while we looked.
  }
}
