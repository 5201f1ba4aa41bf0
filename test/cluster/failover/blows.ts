/** What happens to the primary of the shared Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MASTER, type SentinelSetup, type Server } from '../../redis/sentinels.js';
import { poll } from '../../support/poll.js';

/** Replicas that lose touch with the primary before it is lost. */
export type Lag = 'none' | 'one' | 'all';

const NOTICED_WITHIN_MS = 30_000;

/** Gives the monotonic time of the blow. Another server is primary when it resolves. */
export async function kill(setup: SentinelSetup, lag: Lag, tailMs: number): Promise<number> {
  const { primary, replicas } = await rolesOf(setup);
  const behind = replicas.slice(0, { none: 0, one: 1, all: replicas.length }[lag]);
  for (const { child } of behind) child.kill('SIGSTOP');
  if (behind.length > 0) {
    await cutOff(setup, primary, replicas.length - behind.length);
    // What is written now is written to the primary alone, or to the other replica too.
    await sleep(tailMs);
  }
  primary.child.kill('SIGKILL');
  const atMs = performance.now();
  for (const { child } of behind) child.kill('SIGCONT');
  await anotherThan(setup, primary.port);
  return atMs;
}

/** Stops it, and lets it go on as a stale primary when another has taken its place. */
export async function stopForAWhile(
  setup: SentinelSetup,
  blind: Server | undefined,
): Promise<{ readonly atMs: number; readonly stale: Server }> {
  const { primary } = await rolesOf(setup);
  primary.child.kill('SIGSTOP');
  blind?.child.kill('SIGSTOP');
  const atMs = performance.now();
  try {
    await anotherThan(setup, primary.port);
  } finally {
    blind?.child.kill('SIGCONT');
    primary.child.kill('SIGCONT');
  }
  return { atMs, stale: primary };
}

/** As an administrator does it. */
export async function byHand(setup: SentinelSetup): Promise<number> {
  const { primary } = await rolesOf(setup);
  const [sentinel] = setup.sentinels;
  if (sentinel === undefined) throw new Error('there is no Sentinel');
  // Refused as long as it does not know a good replica.
  await poll(
    () =>
      setup.ask(sentinel, (redis) =>
        redis.call('SENTINEL', 'FAILOVER', MASTER).then(
          () => true,
          () => false,
        ),
      ),
    'a failover by hand begins',
    NOTICED_WITHIN_MS,
  );
  const atMs = performance.now();
  await anotherThan(setup, primary.port);
  return atMs;
}

/** Does something while no replica answers. */
export async function frozen<T>(setup: SentinelSetup, act: () => Promise<T>): Promise<T> {
  const { replicas } = await rolesOf(setup);
  for (const { child } of replicas) child.kill('SIGSTOP');
  try {
    return await act();
  } finally {
    for (const { child } of replicas) child.kill('SIGCONT');
  }
}

/** Every server is there, in step with the primary, and known to the Sentinels as such. */
export async function whole(setup: SentinelSetup): Promise<void> {
  await poll(() => isWhole(setup).catch(() => false), 'all servers are in step', 60_000);
}

export async function rolesOf(
  setup: SentinelSetup,
): Promise<{ readonly primary: Server; readonly replicas: readonly Server[] }> {
  const primary = setup.server(await setup.primaryPort(setup.sentinels[0]));
  return { primary, replicas: setup.servers.filter((each) => each !== primary) };
}

async function isWhole(setup: SentinelSetup): Promise<boolean> {
  const { primary, replicas } = await rolesOf(setup);
  const inStep = await setup.ask(primary, async (redis) => {
    await redis.set('step', performance.now());
    return redis.wait(replicas.length, 200);
  });
  if (inStep < replicas.length) return false;
  for (const sentinel of setup.sentinels) {
    if ((await setup.primaryPort(sentinel)) !== primary.port) return false;
    const known = await setup.ask(sentinel, (redis) => redis.call('SENTINEL', 'REPLICAS', MASTER));
    const flags = Array.isArray(known) ? known.map((each) => fieldOf(each, 'flags')) : [];
    const good = flags.filter((each) => each === 'slave');
    if (good.length !== replicas.length) return false;
  }
  return true;
}

function fieldOf(fields: unknown, name: string): unknown {
  return Array.isArray(fields) ? fields[fields.indexOf(name) + 1] : undefined;
}

async function anotherThan(setup: SentinelSetup, port: number): Promise<void> {
  const isAnother = async () => (await setup.primaryPort(setup.sentinels[0])) !== port;
  await poll(isAnother, 'another primary', NOTICED_WITHIN_MS);
}

/**
 * The primary lets go of its replicas, so that the sockets of frozen ones hold nothing of what comes.
 * The others are back when it resolves.
 */
async function cutOff(setup: SentinelSetup, primary: Server, others: number): Promise<void> {
  await setup.ask(primary, async (redis) => {
    await redis.call('CLIENT', 'KILL', 'TYPE', 'replica');
    if (others === 0) return;
    await redis.set('step', performance.now());
    await poll(
      async () => (await redis.wait(others, 100)) >= others,
      'the others are back',
      10_000,
    );
  });
}
