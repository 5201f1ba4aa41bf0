/**
 * The whole of postern on one host, wired: a packet's way from the sensors to the door and back.
 * This file decides nothing; read it first, then the room you need.
 */
import { filter, interval, mergeMap, type Observable, share } from 'rxjs';
import type { Configuration, Diagnostic } from '../config/types.js';
import type { Packet } from '../machines/types.js';
import { AttemptCounts } from './attempt-counts.js';
import { createCapture } from './capture/capture.js';
import type { SensorStatus } from './capture/types.js';
import { ownClaims } from './claims.js';
import { Cleanup } from './cleanup.js';
import { packageVersion } from './client/version.js';
import { systemClock } from './clock.js';
import { closeDoor, forgetHost } from './close-door.js';
import { clusterBasis } from './cluster/join.js';
import { Configurations } from './configurations.js';
import type { ControlHandlers } from './control/protocol.js';
import { createDeliveries } from './deliveries/deliveries.js';
import { Dispatcher } from './dispatcher.js';
import { Doors } from './doors.js';
import { reasonOf } from './errors.js';
import { FirewallView } from './firewall-view.js';
import { layFoundation } from './foundation.js';
import { HostSinks } from './host-sinks.js';
import { createGrants } from './jobs/grants.js';
import { stepsFromEnvironment } from './jobs/steps.js';
import { oldestOf } from './journal/ids.js';
import { liveKnocks } from './knocks/live.js';
import type { KnockEvent } from './knocks/types.js';
import type { ActionLog } from './log/action-log.js';
import type { Log } from './log/types.js';
import { OneTimeDoors } from './one-time.js';
import { connect } from './redis/connect.js';
import { type LoadConfiguration, reload } from './reload.js';
import { SharedDoors } from './shared-doors.js';

const MINUTE_MS = 60_000;

export interface DaemonOptions {
  /** Loaded without errors. */
  readonly configuration: Configuration;
  /** Reads the configuration again, for a reload. */
  readonly load: LoadConfiguration;
  readonly interfaces: readonly string[];
  readonly stateDir: string;
  /** This host's name in the journal. */
  readonly host: string;
  /** `-4`: IPv6 packets are ignored. */
  readonly onlyIpv4: boolean;
  readonly log: Log;
  readonly actions: ActionLog;
  /** Ends the wait for another postern that still has the state folder. */
  readonly signal: AbortSignal;
  /** Told of every change of a sensor: it listens, it waits for its interface. */
  readonly onSensors: (sensors: readonly SensorStatus[]) => void;
}

export interface Daemon {
  readonly reload: ControlHandlers['reload'];
  /** Ends everything within 2 s, unless `close_on_exit` has commands to wait for (G6). */
  stop(): Promise<void>;
}

/**
 * Starts postern; resolves when it captures, or waits for its interface.
 * @throws PosternError with the code of the room that could not start; nothing is left running
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const cleanup = new Cleanup(options.log);
  try {
    return await start(options, cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function start(options: DaemonOptions, cleanup: Cleanup): Promise<Daemon> {
  const { host, log, actions } = options;
  const { captureBufferBytes, sensorUser } = options.configuration.options;
  const startedAtMs = systemClock.now();

  const { configuration: first, stateDir, signal } = options;
  const foundation = { options: first.options, stateDir, host, log, signal };
  const { state, control, key, redis, target, journal } = await layFoundation(foundation, cleanup);

  // The doors, as the configuration and the claims say, and what acts on their grants.
  const sinks = new HostSinks({
    ...{ configuration: first, actions, log },
    handOver: (sink) => deliveries.handOver(sink),
  });
  const configurations = new Configurations(state.configurations, key, log, (kept) =>
    sinks.learn(kept),
  );
  const keep = async (configuration: Configuration): Promise<string> => {
    const digest = await configurations.keep(configuration);
    const names = configuration.doors.map(({ name }) => name);
    await journal.append({ type: 'ConfigurationLoaded', configuration: digest, doors: names });
    return digest;
  };
  const basis = await clusterBasis({ options: first.options, host, key, journal, log });
  const isMember = basis !== undefined && 'claims' in basis;
  if (isMember) cleanup.add('the shared Redis', () => basis.shared.close());
  const claims = isMember ? basis.claims : ownClaims(key, journal);
  const oneTime = new OneTimeDoors({ claims, log });
  const digest = await keep(options.configuration);
  const doors = await Doors.load(options.configuration, digest, oneTime);

  // What others are to be told of grants; asked for by the sinks, as soon as there is a grant.
  const queues = {
    ...{ journal, key, host, log, catalog: configurations },
    connect: () => connect({ target, role: 'worker', log }),
  };
  const deliveries = createDeliveries({ ...queues, sinksOf: (door) => sinks.named(door) });

  // Grants: what a crash or a stop left behind is settled before anybody can knock.
  cleanup.add('the sinks', () => sinks.stop());
  await sinks.start();
  cleanup.add('the deliveries', () => deliveries.stop());
  await deliveries.recover();
  let forwarded = (): string | undefined => undefined;
  const grants = createGrants({
    ...queues,
    reach: stepsFromEnvironment(),
    sinksFor: (door, source) => sinks.for(door, source),
    restoreSinks: (live) => sinks.restore(live),
    observe: deliveries.observe,
    keepFrom: () => oldestOf([forwarded(), deliveries.oldest()]),
  });
  cleanup.add('the grants', () => grants.stop());
  await grants.recover();

  // What the cluster did meanwhile, and does from now on.
  const shared = new SharedDoors({ basis, host, journal, doors, sinks, grants, actions, log });
  const { cluster, changed$ } = shared;
  forwarded = () => shared.keepFrom;
  cleanup.add('the cluster', async () => cluster?.stop());
  await cluster?.start();
  const firewall = new FirewallView(options.interfaces, log);
  void firewall.look(options.configuration);

  // Packets, knocks, completions: one direction, no back and forth.
  const capture = createCapture({
    interfaces: options.interfaces,
    plan: doors.plan(),
    bufferBytes: captureBufferBytes,
    user: sensorUser,
    log,
  });
  const { knocks, events$ } = liveKnocks(wanted(capture.packets$, options), {
    table: doors.table(),
    host: capture.host,
    limits: options.configuration.options,
    clock: systemClock,
  });
  const changes = changed$.subscribe(() => {
    knocks.setTable(doors.table());
    capture.setPlan(doors.plan()).catch((error: unknown) => {
      log.error({ reason: reasonOf(error) }, 'the capture filter could not be changed');
    });
  });
  const doorsChanged = () => changed$.next();
  const dispatcher = new Dispatcher({
    doors,
    keep: (completion) => shared.complete(completion),
    log,
    actions,
    doorsChanged,
  });
  const counts = new AttemptCounts(log);
  const shared$ = events$.pipe(share());
  const told = shared$.subscribe((event) => {
    counts.count(event);
    tell(actions, event);
  });
  const completions$ = shared$.pipe(filter(({ kind }) => kind === 'completed'));
  const opened = completions$.pipe(mergeMap((event) => dispatcher.complete(event))).subscribe();

  // Once a minute: the counts go to the journal, and configurations nobody refers to go.
  const prune = () => {
    const referenced = [...grants.referenced(), ...deliveries.referenced()];
    return configurations.prune(new Set([...referenced, doors.digest]));
  };
  const everyMinute = async () => {
    const counted = counts.take();
    if (counted !== undefined) await journal.append(counted);
    await prune();
  };
  const minutes = interval(MINUTE_MS).subscribe(() => {
    everyMinute().catch((error: unknown) => log.warn({ reason: reasonOf(error) }, 'not counted'));
  });
  await prune();
  cleanup.add('the knocks', () => {
    dispatcher.stop();
    for (const subscription of [minutes, opened, told, changes]) subscription.unsubscribe();
  });

  const sensors = capture.status$.subscribe(options.onSensors);
  cleanup.add('the sensors', async () => {
    await capture.stop();
    sensors.unsubscribe();
  });
  await capture.start();

  const take = async (configuration: Configuration): Promise<readonly Diagnostic[]> => {
    await cluster?.reloadKeys();
    const kept = await keep(configuration);
    await sinks.change(configuration);
    await doors.change(configuration, kept);
    doorsChanged();
    await sinks.restore(grants.live());
    void firewall.look(configuration);
    return sinks.problems;
  };
  const daemon: Daemon = {
    async reload() {
      const reloaded = await reload(doors.configuration, options.load, take);
      for (const message of reloaded.messages) log.warn({}, message);
      log.info({}, reloaded.reloaded ? 'configuration reloaded' : 'configuration not reloaded');
      return reloaded;
    },
    async stop() {
      await capture.stop();
      if (doors.configuration.options.closeOnExit) await grants.closeAll('exit');
      await cleanup.run();
    },
  };
  const closing = { host, grants, cluster, doorHere: (name: string) => doors.here(name)?.door };
  control.serve({
    status: () => ({
      version: packageVersion(),
      host,
      pid: process.pid,
      uptimeSeconds: Math.round((systemClock.now() - startedAtMs) / 1000),
      configuration: doors.configuration.file,
      doors: doors.status(),
      grants: grants.status(),
      sensors: capture.status(),
      knocks: knocks.counts(),
      firewall: firewall.findings,
      sinks: sinks.problems.map(({ message }) => message),
      deliveries: deliveries.status(),
      redis: redis === undefined || redis.pid !== undefined ? 'ready' : 'away',
      rejectedEvents: journal.rejected,
      ...(cluster !== undefined && { cluster: cluster.status() }),
    }),
    events: (follow, signal) => (follow ? journal.follow({ signal }) : journal.read({ signal })),
    reload: daemon.reload,
    close: (asked) => closeDoor(asked, closing),
    forget: (name) => forgetHost(name, closing),
  });
  return daemon;
}

function wanted(packets$: Observable<Packet>, { onlyIpv4 }: DaemonOptions): Observable<Packet> {
  return onlyIpv4 ? packets$.pipe(filter(({ source }) => !source.includes(':'))) : packets$;
}

/** Stages and timeouts, in knockd's words; an opening is told when it is durable. */
function tell(actions: ActionLog, { kind, source, door, stage }: KnockEvent): void {
  if (kind === 'begun' || kind === 'advanced' || kind === 'completed') {
    actions.stage(source, door.name, stage);
  } else if (kind === 'expired') actions.sequenceTimeout(source, door.name, stage);
}
