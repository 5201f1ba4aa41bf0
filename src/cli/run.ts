/** The main job: postern in the foreground, until a signal ends it. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { isName } from '../../config/cluster.js';
import { escapeControls } from '../../config/diagnostics.js';
import { loadConfiguration } from '../../config/load.js';
import type { Configuration } from '../../config/types.js';
import { closeInheritedDescriptors } from '../../sinks/descriptors.js';
import { chooseInterfaces } from '../capture/link.js';
import type { SensorStatus } from '../capture/types.js';
import { type Daemon, startDaemon } from '../daemon.js';
import { PosternError, reasonOf } from '../errors.js';
import type { ActionLog } from '../log/action-log.js';
import { createActionLog } from '../log/knockd-log.js';
import { createServiceLog } from '../log/service-log.js';
import type { Log } from '../log/types.js';
import { createNotifier } from '../systemd/notify.js';
import { configurationErrors } from './configuration-errors.js';
import { firstScreen } from './first-screen.js';

export interface RunOptions {
  readonly config: string;
  /** Over `Interface` of the configuration. */
  readonly interface?: readonly string[];
  readonly stateDir?: string;
  readonly onlyIpV4?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  /** `-l`: names of sources in the log, once they opened a door. */
  readonly lookup?: boolean;
  /** Over `LogFile` of the configuration. */
  readonly logFile?: string;
  /** The first screen: which doors, on what, and how to knock. */
  readonly welcome?: boolean;
  /** Called once it captures, or waits for its interface, with what it says of that. */
  readonly onReady?: (lines: readonly string[]) => void;
}

/**
 * Runs until SIGTERM or SIGINT; gives the exit code.
 * @throws PosternError with the reason it could not start
 */
export async function runDaemon(options: RunOptions): Promise<number> {
  closeInheritedDescriptors();
  const file = resolve(options.config);
  const configuration = await configurationOf(file, options);
  const interfaces = await chooseInterfaces(options.interface ?? configuration.options.interfaces);
  const log = await createServiceLog({ level: options.debug === true ? 'debug' : 'info' });
  const actions = createActionLog({
    ...configuration.options,
    lookup: options.lookup === true,
    verbose: options.verbose === true,
    serviceLog: log,
  });
  const stateDir = options.stateDir ?? configuration.options.stateDir;
  const signals = new Signals();
  const systemd = createNotifier({ log });
  try {
    const sensors = new SensorLines();
    const daemon = await startDaemon({
      ...{ configuration, interfaces, log, actions },
      load: () => loadWithOverrides(file, options),
      stateDir,
      host: hostOf(configuration),
      onlyIpv4: options.onlyIpV4 === true,
      signal: signals.stopped,
      onSensors: (statuses) => sensors.take(statuses),
    });
    actions.startingUp(interfaces.join(', '));
    if (options.welcome === true) say(await firstScreen(configuration, interfaces, stateDir));
    const announced = sensors.announce((line) => {
      say(line);
      systemd.status(line);
    });
    options.onReady?.(announced);
    systemd.ready(announced.join(', '));
    signals.onReload(() => reloadOnSignal(daemon, file, actions, log));
    await signals.untilStopped();
    systemd.stopping();
    actions.shuttingDown();
    await daemon.stop();
    return 0;
  } catch (error) {
    if (signals.stopped.aborted) return 0;
    throw error;
  } finally {
    await actions.close();
    systemd.release();
    signals.release();
  }
}

async function loadWithOverrides(file: string, { logFile }: RunOptions) {
  const loaded = await loadConfiguration(file);
  const { configuration } = loaded;
  if (configuration === undefined || logFile === undefined) return loaded;
  const options = { ...configuration.options, logFile: resolve(logFile) };
  return { ...loaded, configuration: { ...configuration, options } };
}

async function configurationOf(file: string, options: RunOptions): Promise<Configuration> {
  const { configuration, diagnostics } = await loadWithOverrides(file, options);
  if (configuration === undefined) throw configurationErrors(file, diagnostics);
  return configuration;
}

/** This host's name. A host alone may have any; it then goes into its own journal only. */
function hostOf({ file, options }: Configuration): string {
  const name = options.host ?? hostname();
  if (options.cluster === undefined || isName(name)) return name;
  throw new PosternError(
    'POSTERN_E_CONFIG',
    `${file}: "${escapeControls(name)}", this system's name, cannot be a host's in a cluster; add host = NAME`,
  );
}

async function reloadOnSignal(
  daemon: Daemon,
  file: string,
  actions: ActionLog,
  log: Log,
): Promise<void> {
  actions.reopen();
  actions.rereading(file);
  try {
    await daemon.reload();
  } catch (error) {
    log.error({ reason: reasonOf(error) }, 'configuration not reloaded');
  }
}

/** SIGTERM and SIGINT end it, SIGHUP reloads; a second SIGINT does not wait any longer. */
class Signals {
  #onReload: (() => Promise<void>) | undefined;
  /** A SIGHUP that came before anybody could reload. */
  #reloadWaits = false;
  readonly #abort = new AbortController();
  readonly #stop = () => {
    if (this.#abort.signal.aborted) process.exit(130);
    this.#abort.abort();
  };
  readonly #reload = () => {
    if (this.#onReload === undefined) this.#reloadWaits = true;
    else void this.#onReload();
  };

  constructor() {
    process.on('SIGTERM', this.#stop).on('SIGINT', this.#stop).on('SIGHUP', this.#reload);
  }

  /** `act` never rejects. */
  onReload(act: () => Promise<void>): void {
    this.#onReload = act;
    if (this.#reloadWaits) void act();
  }

  get stopped(): AbortSignal {
    return this.#abort.signal;
  }

  untilStopped(): Promise<void> {
    const { signal } = this.#abort;
    if (signal.aborted) return Promise.resolve();
    return new Promise((done) => signal.addEventListener('abort', () => done(), { once: true }));
  }

  release(): void {
    process.off('SIGTERM', this.#stop).off('SIGINT', this.#stop).off('SIGHUP', this.#reload);
  }
}

/** One line for each change: `listening on eth0`, `waiting: there is no interface eth9`. */
class SensorLines {
  readonly #said = new Map<string, string>();
  #say: ((line: string) => void) | undefined;
  #latest: readonly SensorStatus[] = [];

  take(statuses: readonly SensorStatus[]): void {
    this.#latest = statuses;
    if (this.#say !== undefined) this.#tell(this.#say);
  }

  /** From now on lines are said; gives those that are said now. */
  announce(sayLine: (line: string) => void): readonly string[] {
    this.#say = sayLine;
    return this.#tell(sayLine);
  }

  #tell(sayLine: (line: string) => void): readonly string[] {
    const lines: string[] = [];
    for (const { interface: name, state, reason } of this.#latest) {
      const line =
        state === 'listening'
          ? `listening on ${name}`
          : state === 'waiting'
            ? `waiting: ${reason ?? name}`
            : undefined;
      if (line === undefined || this.#said.get(name) === line) continue;
      this.#said.set(name, line);
      sayLine(line);
      lines.push(line);
    }
    return lines;
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
