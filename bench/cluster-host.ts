/**
 * One host of the cluster's bench, a process of its own: postern's parts wired as in the daemon, but
 * for packets and sinks. It completes doors as fast as they are answered, a bounded number at a time.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfiguration } from '../config/load.js';
import type { Door } from '../config/types.js';
import { packageVersion } from '../src/client/version.js';
import { systemClock } from '../src/clock.js';
import type { SharedCompletion } from '../src/cluster/cluster.js';
import { doorDigests } from '../src/cluster/door-digests.js';
import { clusterBasis } from '../src/cluster/join.js';
import { partIn } from '../src/cluster/part.js';
import { Configurations } from '../src/configurations.js';
import { Doors } from '../src/doors.js';
import { createGrants } from '../src/jobs/grants.js';
import { loadKey } from '../src/journal/key.js';
import { openRedisJournal } from '../src/journal/redis-journal.js';
import { silentLog } from '../src/log/types.js';
import { OneTimeDoors } from '../src/one-time.js';
import { connect } from '../src/redis/connect.js';
import { startPrivateRedis } from '../src/redis/private-server.js';
import { prepareStateDir } from '../src/state-dir.js';
import { poll } from '../test/support/poll.js';

/** In argv, as JSON. */
export interface HostSetup {
  readonly name: string;
  readonly number: number;
  readonly folder: string;
  readonly conf: string;
}

export interface Run {
  readonly do: 'run';
  readonly door: string;
  readonly forMs: number;
  /** Knocks at a time, each until it was opened; absent: one every 50 ms. */
  readonly inFlight?: number;
}

export type Command =
  | Run
  /** What was opened since the last time that it was asked. */
  | { readonly do: 'count' }
  | { readonly do: 'state' };

export type Answer =
  | { readonly state: string; readonly hosts: number }
  /** Of each completion, how long the cluster took to answer it; and how many it refused. */
  | { readonly answeredMs: readonly number[]; readonly refused: number }
  /**
   * Of each opening on this host, how long after its knock, on whichever host, it was; and what this
   * process has computed since it began.
   */
  | { readonly openedMs: readonly number[]; readonly cpuMs: number };

/** `HOST-ms-random`. */
const KNOCKED_AT = /-(\d+)-\d+$/;
const QUIET_PAUSE_MS = 50;

/** What `daemon.ts` wires, in its order. */
async function wire({ name, folder, conf }: HostSetup) {
  const log = silentLog;
  const file = join(folder, 'knockd.conf');
  await writeFile(file, conf, { mode: 0o600 });
  const { configuration } = await loadConfiguration(file);
  if (configuration === undefined) throw new Error('the configuration has errors');
  const { options } = configuration;
  const state = await prepareStateDir(join(folder, 'state'));
  const key = await loadKey(state.path);
  const target = await startPrivateRedis({ dir: state.redis, log });
  const length = options.journalLength;
  const journal = await openRedisJournal({ target, host: name, key, length, log });
  const configurations = new Configurations(state.configurations, key, log);
  const digest = await configurations.keep(configuration);
  const basis = await clusterBasis({ options, host: name, key, journal, log });
  if (basis === undefined || !('claims' in basis)) throw new Error('it takes no part');
  const { claims } = basis;
  const doors = await Doors.load(configuration, digest, new OneTimeDoors({ claims, log }));

  const opened = new Openings();
  const grants = createGrants({
    ...{ journal, key, host: name, log, catalog: configurations },
    connect: () => connect({ target, role: 'worker', log }),
    sinksFor: () => [{ name: 'none', open: async ({ id }) => opened.add(id) }],
  });
  await grants.recover();
  const cluster = partIn(basis, {
    ...{ host: name, journal, grants, log, clock: systemClock, version: packageVersion() },
    ...{ toleranceMs: options.clockToleranceMs, redisWait: options.redisWait },
    doorHere: (door) => doors.here(door),
    closes: () => false,
    doorDigests: () => doorDigests(configuration, basis.keys()),
    onOpening: () => {},
    onClaimed: async (door) => {
      const here = doors.here(door);
      if (here !== undefined) await doors.refresh(here.door);
    },
  });
  await cluster.start();
  return { cluster, claims, doors, digest, opened };
}

/** Of each opening, how long after its knock it was. */
class Openings {
  #afterMs: number[] = [];
  onOpening: (grant: string) => void = () => {};

  add(grant: string): void {
    this.#afterMs.push(Date.now() - Number(KNOCKED_AT.exec(grant)?.[1]));
    this.onOpening(grant);
  }

  take(): readonly number[] {
    const taken = this.#afterMs;
    this.#afterMs = [];
    return taken;
  }
}

async function start(setup: HostSetup) {
  const { number } = setup;
  const { cluster, claims, doors, digest, opened } = await wire(setup);
  let completions = 0;
  /** A source that is new each time, and with a one-time door a sequence that is. */
  const next = (door: Door): SharedCompletion => {
    completions += 1;
    const [high, low] = [(completions >> 8) & 255, completions & 255];
    const source = `10.${number * 32 + ((completions >> 16) & 31)}.${high}.${low}`;
    const completion = { door, configuration: digest, source };
    if (door.sequence.kind === 'fixed') return completion;
    const ports = [number, high * 256 + low, 1 + (completions >> 16)];
    const knocks = ports.map((port) => ({ port, protocol: 'tcp' as const }));
    const { own, cluster: clusterClaims } = claims.of(door.name, knocks);
    return { ...completion, claim: own, clusterClaims };
  };
  const answeredMs: number[] = [];
  let refused = 0;
  const knock = async (door: Door): Promise<boolean> => {
    const askedMs = performance.now();
    try {
      await cluster.complete(next(door));
      answeredMs.push(performance.now() - askedMs);
      return true;
    } catch {
      refused += 1; // busier than it can be: that is one of the figures
      return false;
    }
  };
  /** As many at a time as may be, from when they are knocked until they are open. */
  const busy = (door: Door, forMs: number, inFlight: number) =>
    new Promise<void>((resolve) => {
      const untilMs = performance.now() + forMs;
      const goOn = () => {
        if (performance.now() >= untilMs) return resolve();
        void knock(door).then((isAnswered) => {
          if (!isAnswered) goOn();
        });
      };
      // Of what any host may open, whoever opens one knocks the next: as many are under way in all.
      opened.onOpening = (grant) => {
        if (door.runOn === 'once' || grant.startsWith(`${setup.name}-`)) goOn();
      };
      for (let count = 0; count < inFlight; count++) goOn();
      setTimeout(resolve, forMs);
    });
  const quiet = async (door: Door, forMs: number) => {
    const untilMs = performance.now() + forMs;
    while (performance.now() < untilMs) {
      await knock(door);
      await sleep(QUIET_PAUSE_MS);
    }
  };
  const run = async ({ door: name, forMs, inFlight }: Run): Promise<Answer> => {
    const door = doors.here(name)?.door;
    if (door === undefined) throw new Error(`there is no door ${name}`);
    answeredMs.length = 0;
    refused = 0;
    const before = completions;
    if (inFlight === undefined) await quiet(door, forMs);
    else await busy(door, forMs, inFlight);
    opened.onOpening = () => {};
    await poll(() => answeredMs.length + refused === completions - before, 'all are answered');
    return { answeredMs, refused };
  };
  return { run, count: () => opened.take(), status: () => cluster.status() };
}

const [, program, argument] = process.argv;
if (program?.endsWith('cluster-host.js') && argument !== undefined) {
  const host = await start(JSON.parse(argument));
  const answer = (content: Answer) => process.send?.(content);
  process.on('message', async (command: Command) => {
    if (command.do === 'run') {
      answer(await host.run(command));
    } else if (command.do === 'count') {
      const { user, system } = process.cpuUsage();
      answer({ openedMs: host.count(), cpuMs: (user + system) / 1000 });
    } else {
      const { state, hosts } = host.status();
      answer({ state, hosts: hosts.filter((each) => each.state === 'alive').length });
    }
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ state: 'up', hosts: 0 });
}
