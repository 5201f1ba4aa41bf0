import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { FailoverBench } from './bench.js';
import { byHand, kill, type Lag, stopForAWhile, whole } from './blows.js';
import { Tally } from './tally.js';

const FAILOVERS = Number(process.env['FAILOVERS'] ?? 1);
const SEED = Number(process.env['FAILOVER_SEED'] ?? Date.now() % 1_000_000_007);

type Blow = 'kill' | 'stop' | 'by hand';

const LAGS: readonly Lag[] = ['all', 'none', 'one'];

/** With 2, both replicas must confirm: then nothing can be lost, whichever is promoted. */
for (const redisWait of FAILOVERS === 1 ? [1, 0] : [2, 1, 0]) {
  describe(`the shared Redis fails over (redis_wait = ${redisWait}; FAILOVER_SEED=${SEED})`, () => {
    for (const blow of ['kill', 'stop', 'by hand'] as const) {
      if (FAILOVERS === 1 && !isEveryday(blow, redisWait)) continue;
      it(`${FAILOVERS} times (${blow})`, async function () {
        this.timeout(60_000 + FAILOVERS * 90_000);
        await failOver(blow, redisWait);
      });
    }
  });
}

/** Each takes some ten seconds. */
function isEveryday(blow: Blow, redisWait: number): boolean {
  return blow === (redisWait === 1 ? 'kill' : 'stop');
}

async function failOver(blow: Blow, redisWait: number): Promise<void> {
  const blind = blow === 'stop' ? { blind: true as const } : {};
  const bench = await FailoverBench.start({ redisWait, seed: SEED, ...blind });
  const tally = new Tally(`${blow}, redis_wait = ${redisWait}, seed ${SEED}`);
  try {
    for (let round = 0; round < FAILOVERS; round += 1) {
      await bench.next();
      bench.knocks.begin();
      await sleep(500 + bench.random.below(1000));
      const atMs = await strike(bench, blow, round);
      const tookMs = await Promise.all(bench.hosts.map((host) => bench.recovered(host, atMs)));
      await sleep(500);
      await bench.knocks.pause();
      const verdict = await bench.settled();
      tally.add(bench.knocks.all, tookMs, verdict);
      const { faults, openedTwice, unheard, actedTwice } = verdict;
      assert.deepEqual(faults, [], `round ${round}, seed ${SEED}`);
      if (redisWait > 0) assert.deepEqual({ openedTwice, actedTwice }, NONE, `round ${round}`);
      if (isKept(blow, redisWait)) assert.deepEqual(unheard, [], `round ${round}`);
      await whole(bench.setup);
    }
    assert.ok(tally.won > FAILOVERS);
  } finally {
    tally.tell(bench.said);
    await bench.stop();
  }
}

const NONE = { openedTwice: [], actedTwice: [] };

/**
 * Whether what was promised must have been done. Sentinels that promote a replica by hand let the old
 * primary go on for a second: what the other replica confirms then is lost, unless hosts acted on it.
 */
function isKept(blow: Blow, redisWait: number): boolean {
  return redisWait === 2 || (redisWait === 1 && blow !== 'by hand');
}

/** Gives the monotonic time from which the shared doors were shut. */
async function strike(bench: FailoverBench, blow: Blow, round: number): Promise<number> {
  const { setup, random } = bench;
  if (blow === 'by hand') return byHand(setup);
  if (blow === 'stop') return (await stopForAWhile(setup, bench.blind)).atMs;
  const { port } = setup.server(await setup.primaryPort());
  const atMs = await kill(setup, LAGS[round % LAGS.length] ?? 'none', 200 + random.below(600));
  await setup.restart(port);
  return atMs;
}
